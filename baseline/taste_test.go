package baseline

import (
	"math"
	"testing"

	"lsat/dataset"
)

func TestTasteByHand(t *testing.T) {
	f := factsOf(&dataset.Set{Items: []dataset.Item{
		{Title: "A (1990)", Categories: []string{"Comedy", "War"}},
		{Title: "B (1980)", Categories: []string{"War", "War"}}, // named twice, one genre
		{Title: "C"},
	}})
	if got := f.sharedGenres(0, 1); math.Abs(got-1/math.Sqrt2) > 1e-12 || f.sharedGenres(0, 2) != 0 {
		t.Fatalf("shared genres: %v and %v", got, f.sharedGenres(0, 2))
	}
	x := newTaste(10)
	target := rated{item: 0, mean: .1, fame: 2}
	history := []rated{{item: 1, mean: -.2, fame: 3, residual: .7}}
	// One event: covariance over variance, times the residual.
	cross := .5*.1*-.2 + .04/math.Sqrt2 + .03*math.Exp(-10./15) + .04*math.Exp(-1./2) + .02*math.Exp(-1./5)
	variance := .5*.2*.2 + .04 + .03 + .04 + .02 + .3
	if got, want := x.of(f, history, &target), .7*cross/variance; math.Abs(got-want) > 1e-12 {
		t.Errorf("one event: taste %v, want %v", got, want)
	}
	// An item without year and genres says less, and nothing without a history.
	plain := x.of(f, []rated{{item: 2, mean: -.2, fame: 3, residual: .7}}, &target)
	if got := x.of(f, history, &target); !(plain > 0 && plain < got) {
		t.Errorf("an item without facts gives %v, one with facts %v", plain, got)
	}
	if got := x.of(f, nil, &target); got != 0 {
		t.Errorf("no history: taste %v", got)
	}
	// Two events of one film say less than twice one.
	one := x.of(f, history, &target)
	two := x.of(f, []rated{history[0], history[0]}, &target)
	if !(two > one && two < 2*one) {
		t.Errorf("one event gives %v, the same twice %v", one, two)
	}
}

// The counts of one item by hand: what recent ratings weigh, and when a rating comes up late.
func TestTallyByHand(t *testing.T) {
	s := small(t, 1, [3]int{0, 0, 5}, [3]int{0, 0, 1}, [3]int{0, 0, 5})
	for k, day := range []int64{0, 365, 730} {
		s.Set.Interactions[k].Time = day * 86400
	}
	tally := newTally(factsOf(s.Set))
	tally.count(s, 0, 0)
	tally.count(s, 2, 0)
	tally.count(s, 1, 0)                                             // a year late
	if got := tally.item(0); math.Abs(got-(2+10*7./13)/13) > 1e-12 { // m = (2+5)/(3+10)
		t.Errorf("p = %v", got)
	}
	if got := tally.recent(0, 730*86400).seen; math.Abs(got-1.75) > 1e-12 {
		t.Errorf("recent ratings %v, want 1 + 1/2 + 1/4", got)
	}
	if got := tally.recent(0, 1095*86400).seen; math.Abs(got-.875) > 1e-12 {
		t.Errorf("recent ratings a year later %v, want half of 1.75", got)
	}
}
