package baseline

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lsat/dataset"
	"lsat/period"
)

// world is data whose law is known: users take items at random and like each with odds' log-odds.
type world struct {
	users, items, events int
	about                func(item int) dataset.Item
	odds                 func(user, item int) float64
}

func (w world) stream(t *testing.T, opts period.Options) *period.Stream {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 11))
	set := &dataset.Set{Name: "planted", Hash: "planted", Users: make([]string, w.users)}
	for i := range w.items {
		set.Items = append(set.Items, w.about(i))
	}
	for k := range w.events {
		user, item, rating := rng.IntN(w.users), rng.IntN(w.items), float32(1)
		if rng.Float64() < 1/(1+math.Exp(-w.odds(user, item))) {
			rating = 5
		}
		set.Interactions = append(set.Interactions, dataset.Interaction{Time: int64(k) * 600, User: int32(user), Item: int32(item), Rating: rating})
	}
	s, err := period.New(set, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bare(item int) dataset.Item { return dataset.Item{ID: fmt.Sprint(item)} }

// ofKind gives even and odd items different genres.
func ofKind(item int) dataset.Item {
	return dataset.Item{ID: fmt.Sprint(item), Categories: []string{[]string{"Horror", "Romance"}[item%2], "Drama"}}
}

// ofYear gives even and odd items different years.
func ofYear(item int) dataset.Item {
	return dataset.Item{ID: fmt.Sprint(item), Title: fmt.Sprintf("Film %d (%d)", item, []int{1950, 1995}[item%2])}
}

func sign(odd bool) float64 {
	if odd {
		return 1
	}
	return -1
}

// oracle ranks samples by the true law: with equally many users of each kind, the history's labels give the kinds' posterior, and the score is
// the expected probability of a like.
func oracle(s *period.Stream, kinds int, odds func(kind, item int) float64, samples []int) []float64 {
	p := func(kind int, item int32) float64 { return 1 / (1 + math.Exp(-odds(kind, int(item)))) }
	out := make([]float64, len(samples))
	for k, i := range samples {
		var expected, total float64
		for kind := range kinds {
			likelihood := 1.
			for _, e := range s.History(i) {
				q := p(kind, s.Set.Interactions[e].Item)
				if !s.Liked(e) {
					q = 1 - q
				}
				likelihood *= q
			}
			total += likelihood
			expected += likelihood * p(kind, s.Item(i))
		}
		out[k] = expected / total
	}
	return out
}

// Where the law is known, the regression must come close to the best that anyone can do with the same history, and find what Means cannot.
func TestCountsNearTheOptimum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	effect := make([]float64, 400)
	for i := range effect {
		effect[i] = rng.NormFloat64()
	}
	generous := []float64{-1.6, -1, -.6, -.3, 0, .3, .6, 1, 1.6} // about normal
	for _, c := range []struct {
		name  string
		items int
		kinds int // of users
		about func(int) dataset.Item
		odds  func(kind, item int) float64
		// short is how far below the oracle the AUC may lie, gain how far above Means it must; a little below is equal, in noise.
		short, gain float64
	}{
		{"item and user effects", 60, 9, bare, func(kind, item int) float64 { return effect[item] + generous[kind] }, .006, -.002},
		{"a taste for genres", 400, 2, ofKind, func(kind, item int) float64 { return 1.5 * sign(kind == item%2) }, .012, .15},
		{"a taste for eras", 400, 2, ofYear, func(kind, item int) float64 { return 1.5 * sign(kind == item%2) }, .012, .15},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world{users: 300, items: c.items, events: 33000, about: c.about, odds: func(user, item int) float64 { return c.odds(user%c.kinds, item) }}
			s := w.stream(t, period.Options{Count: 3})
			train, test := span(0, s.Periods[2].All.Lo), span(s.Periods[2].All.Lo, len(s.Samples))
			got, means := heldOut(t, s, Counts{}, train, test), heldOut(t, s, Means{}, train, test)
			best := aucOf(t, s, test, oracle(s, c.kinds, c.odds, test))
			t.Logf("AUC %.4f, Means %.4f, oracle %.4f", got, means, best)
			if got < best-c.short || got < means+c.gain {
				t.Errorf("AUC %.4f, want at least %.4f (the oracle has %.4f) and at least %.4f (Means has %.4f)", got, best-c.short, best, means+c.gain, means)
			}
		})
	}
}

// The genres are what finds a taste for genres.
func TestCountsWithoutGenres(t *testing.T) {
	w := world{users: 300, items: 400, events: 33000, about: bare, odds: func(user, item int) float64 { return 1.5 * sign(user%2 == item%2) }}
	s := w.stream(t, period.Options{Count: 3})
	if got := heldOut(t, s, Counts{}, span(0, s.Periods[2].All.Lo), span(s.Periods[2].All.Lo, len(s.Samples))); math.Abs(got-.5) > .03 {
		t.Errorf("AUC %.4f where nothing tells the items apart, want about .5", got)
	}
}

// Were a row of the regression to know its own label, rare items would seem to tell everything: coin flips must teach nothing.
func TestCountsLearnNothingFromCoinFlips(t *testing.T) {
	w := world{users: 200, items: 4000, events: 20000, about: ofKind, odds: func(int, int) float64 { return 0 }}
	s := w.stream(t, period.Options{Count: 2})
	model, err := Counts{}.Fit(s, span(0, s.Periods[0].All.Hi))
	if err != nil {
		t.Fatal(err)
	}
	odds, err := model.Score(s, span(s.Periods[1].All.Lo, len(s.Samples)))
	if err != nil {
		t.Fatal(err)
	}
	var squares float64
	for _, x := range odds {
		squares += x * x / float64(len(odds))
	}
	if spread := math.Sqrt(squares); !(spread < .15) {
		t.Errorf("log-odds of coin flips spread by %.3f around 0, want less than .15", spread)
	}
}

// generated is a set with genres and years, cut into five periods.
func generated(t *testing.T) *period.Stream {
	t.Helper()
	s, err := period.New(dataset.Generate(dataset.GenerateOptions{Seed: 3, Users: 80, Items: 150, Interactions: 4000}), period.Options{Count: 5})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// turned is the same stream with the labels of some interactions turned round.
func turned(t *testing.T, s *period.Stream, which func(event int32) bool) *period.Stream {
	t.Helper()
	set := *s.Set
	set.Interactions = slices.Clone(set.Interactions)
	for e := range set.Interactions {
		if !which(int32(e)) {
			continue
		}
		if s.Liked(int32(e)) {
			set.Interactions[e].Rating = 1
		} else {
			set.Interactions[e].Rating = 5
		}
	}
	other, err := period.New(&set, s.Options)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// A score follows from the fitted samples, their histories and its own history: every other label may change.
func TestCountsSeeOnlyWhatTheyMay(t *testing.T) {
	s := generated(t)
	train := span(s.Periods[1].All.Lo, s.Periods[3].All.Hi)
	fitted := map[int32]bool{}
	for _, i := range train {
		fitted[s.Samples[i].Event] = true
		for _, e := range s.History(i) {
			fitted[e] = true
		}
	}
	score := func(s *period.Stream, i int) float64 {
		model, err := Counts{}.Fit(s, train)
		if err != nil {
			t.Fatal(err)
		}
		odds, err := model.Score(s, []int{i})
		if err != nil {
			t.Fatal(err)
		}
		return odds[0]
	}
	for i := s.Periods[4].All.Lo; i < len(s.Samples); i += 149 {
		want := score(s, i)
		history := s.History(i)
		hidden := turned(t, s, func(e int32) bool { return !fitted[e] && !slices.Contains(history, e) })
		if got := score(hidden, i); got != want {
			t.Errorf("sample %d: %v became %v with labels that it must not see", i, want, got)
		}
		if got := score(turned(t, s, func(e int32) bool { return e == history[len(history)-1] }), i); got == want {
			t.Errorf("sample %d: the last label of its history does not matter", i)
		}
		if got := score(turned(t, s, func(e int32) bool { return e == s.Samples[train[0]].Event }), i); got == want {
			t.Errorf("sample %d: a fitted label does not matter", i)
		}
	}
}

// One sample's score does not depend on which others are asked for, nor on the order of the fitted ones, nor on the run.
func TestCountsAreDeterministic(t *testing.T) {
	s := generated(t)
	train, test := span(0, s.Periods[4].All.Lo), span(s.Periods[4].All.Lo, len(s.Samples))
	shuffled := slices.Concat(train, train[:50]) // some twice
	rand.New(rand.NewPCG(5, 6)).Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
	score := func(train, test []int) []float64 {
		model, err := Counts{}.Fit(s, train)
		if err != nil {
			t.Fatal(err)
		}
		odds, err := model.Score(s, test)
		if err != nil {
			t.Fatal(err)
		}
		return odds
	}
	want := score(train, test)
	if !slices.Equal(score(train, test), want) {
		t.Error("two runs differ")
	}
	if !slices.Equal(score(shuffled, test), want) {
		t.Error("the order of the samples matters, or how often they are given")
	}
	if got := score(train, test[10:11]); got[0] != want[10] {
		t.Error("a score depends on the samples scored with it")
	}
}

func TestCountsOfLittle(t *testing.T) {
	s := world{users: 40, items: 60, events: 1200, about: func(i int) dataset.Item {
		if i < 30 {
			return bare(i)
		}
		return ofKind(i)
	}, odds: func(_, item int) float64 { return sign(item%2 == 1) }}.stream(t, period.Options{Count: 2, MinHistory: -1})
	var train, unseen, short []int
	for i := range s.Samples {
		switch {
		case len(s.History(i)) < 3:
			short = append(short, i)
		case s.Item(i) >= 50:
			unseen = append(unseen, i)
		case i < 900:
			train = append(train, i)
		}
	}
	model, err := Counts{}.Fit(s, train)
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][]int{"items never fitted": unseen, "short histories": short} {
		if len(list) < 20 {
			t.Fatalf("%s: only %d samples", name, len(list))
		}
		odds, err := model.Score(s, list)
		if err != nil {
			t.Fatal(err)
		}
		for k, x := range odds {
			if math.IsNaN(x) || math.Abs(x) > 20 {
				t.Errorf("%s: sample %d has log-odds %v", name, list[k], x)
			}
		}
		if auc := aucOf(t, s, list, odds); name == "short histories" && auc < .6 {
			t.Errorf("%s: AUC %.3f from the items alone, want .6", name, auc)
		}
	}
	odds, err := model.Score(s, short[:1])
	if err != nil || len(s.History(short[0])) != 0 || math.IsNaN(odds[0]) {
		t.Errorf("no history at all: log-odds %v, error %v, history %d", odds, err, len(s.History(short[0])))
	}
}

func TestCountsRefuse(t *testing.T) {
	s := generated(t)
	var liked []int
	for i, sm := range s.Samples {
		if sm.Label {
			liked = append(liked, i)
		}
	}
	if _, err := (Counts{}).Fit(s, nil); !errors.Is(err, ErrNoSamples) {
		t.Errorf("no samples: got %v", err)
	}
	if _, err := (Counts{}).Fit(s, liked); !errors.Is(err, ErrOneClass) {
		t.Errorf("liked samples only: got %v", err)
	}
	if _, _, err := (Counts{}).FitScore(s, liked); !errors.Is(err, ErrOneClass) {
		t.Errorf("liked samples only, with scores: got %v", err)
	}
	if _, err := (Counts{}).Fit(s, []int{len(s.Samples)}); err == nil {
		t.Error("a sample out of range was taken")
	}
	model, err := Counts{}.Fit(s, span(0, 500))
	if err != nil {
		t.Fatal(err)
	}
	other := world{users: 5, items: 7, events: 200, about: bare, odds: func(int, int) float64 { return 0 }}.stream(t, period.Options{Count: 1})
	if _, err := model.Score(other, []int{0}); err == nil {
		t.Error("another data set was taken")
	}
}

// The numbers that Counts gives for ML-1M. Its constants were chosen on test periods 5 to 9 alone.
func TestML1MCounts(t *testing.T) {
	s := ml1m(t)
	for _, c := range []struct {
		lo, hi      int
		all, newest float64
	}{{5, 10, .7878, .7747}, {10, 20, .7873, .7675}} {
		all, newest := meanAUC(t, s, Counts{}, c.lo, c.hi)
		t.Logf("test periods %d to %d: D_0 to D_t %.4f, D_t alone %.4f", c.lo, c.hi-1, all, newest)
		if math.Abs(all-c.all) > .0005 || math.Abs(newest-c.newest) > .0005 {
			t.Errorf("test periods %d to %d: mean AUC %.4f and %.4f, want %.4f and %.4f", c.lo, c.hi-1, all, newest, c.all, c.newest)
		}
	}
}
