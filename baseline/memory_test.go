package baseline

import (
	"flag"
	"math"
	"testing"

	"lsat/period"
)

// Users come back period after period, with tastes that ten events do not tell: a memory does.
func TestMemoryKnowsReturningUsers(t *testing.T) {
	w := world{users: 60, items: 300, events: 30000, about: ofKind, odds: func(user, item int) float64 { return .7 * sign(user%2 == item%2) }}
	s := w.stream(t, period.Options{Count: 4})
	train, test := span(0, s.Periods[3].All.Lo), span(s.Periods[3].All.Lo, len(s.Samples))
	short, long := heldOut(t, s, Counts{}, train, test), heldOut(t, s, Counts{Memory: 60}, train, test)
	truth := make([]float64, len(test))
	for k, i := range test {
		truth[k] = sign(s.User(i)%2 == s.Item(i)%2)
	}
	best := aucOf(t, s, test, truth)
	t.Logf("AUC %.4f, with a memory %.4f, the law %.4f", short, long, best)
	if long < short+.02 || long < best-.03 {
		t.Errorf("AUC %.4f with a memory, %.4f without: want it near the law's %.4f", long, short, best)
	}
}

// What a model remembers was known before it serves: turning the ratings of the tested period outside a sample's own history changes nothing. And it
// does remember: turning one that is older than the history changes the score.
func TestMemoryEndsWhereServingBegins(t *testing.T) {
	s := generated(t)
	train, test := span(0, s.Periods[4].All.Lo), span(s.Periods[4].All.Lo, len(s.Samples))
	model, err := Counts{Memory: 40}.Fit(s, train)
	if err != nil {
		t.Fatal(err)
	}
	score := func(s *period.Stream, i int) float64 {
		z, err := model.Score(s, []int{i})
		if err != nil {
			t.Fatal(err)
		}
		return z[0]
	}
	begins := s.Samples[test[0]].Event
	remembers := 0
	for _, i := range test {
		inHistory := map[int32]bool{}
		for _, e := range s.History(i) {
			inHistory[e] = true
		}
		want := score(s, i)
		if got := score(turned(t, s, func(e int32) bool { return e >= begins && !inHistory[e] }), i); got != want {
			t.Fatalf("the score of sample %d depends on ratings of the tested period outside its history: %v and %v", i, want, got)
		}
		if score(turned(t, s, func(e int32) bool { return e < begins && !inHistory[e] }), i) != want {
			remembers++
		}
	}
	if remembers < len(test)/3 { // not every user was there before
		t.Errorf("only %d of %d scores depend on what came before the history", remembers, len(test))
	}
	for _, wrong := range []int{-1, 1<<12 + 1} {
		if _, err := (Counts{Memory: wrong}).Fit(s, train); err == nil {
			t.Errorf("a memory of %d was taken", wrong)
		}
	}
}

var whole = flag.Bool("whole", false, "measure the memory on ML-1M's test periods 10 to 19, too, which takes minutes")

// The figures that docs/RESULTS.md has of a memory of 100 events: what it was chosen by and, with -whole, what it then gave.
func TestML1MMemory(t *testing.T) {
	s := ml1m(t)
	for _, c := range []struct {
		lo, hi int
		want   float64
	}{{5, 10, .7900}, {10, 20, .7954}} {
		if c.lo == 10 && !*whole {
			continue
		}
		var mean float64
		for at := c.lo; at < c.hi; at++ {
			auc := heldOut(t, s, Counts{Memory: 100}, span(0, s.Periods[at].All.Lo), span(s.Periods[at].All.Lo, s.Periods[at].All.Hi))
			t.Logf("D%d: %.4f", at, auc)
			mean += auc / float64(c.hi-c.lo)
		}
		t.Logf("periods %d to %d: mean AUC %.4f", c.lo, c.hi-1, mean)
		if math.Abs(mean-c.want) > .0005 {
			t.Errorf("periods %d to %d: mean AUC %.4f, want %.4f", c.lo, c.hi-1, mean, c.want)
		}
	}
}
