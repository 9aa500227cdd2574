package recommender

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lsat/dataset"
	"lsat/period"
)

// small is a stream of 40 users and 30 items with something to learn.
func small(t *testing.T) *period.Stream {
	t.Helper()
	s, _ := world{users: 40, items: 30, events: 2400, history: 5, title: func(i int) string { return []string{"One", "Two", "Three"}[i%3] + " words" },
		odds: func(u, i int, _ []event) float64 { return tastes(u, i) }}.stream(t)
	return s
}

var quick = Options{Dim: 8, Batch: 64, Epochs: 2, LearningRate: .01}

// opened keeps recommenders with their compiled programs from test to test.
var opened = map[string]*Recommender{}

func open(t *testing.T, name string, o Options) *Recommender {
	t.Helper()
	key := fmt.Sprint(name, o)
	if r := opened[key]; r != nil {
		return r
	}
	r, err := New(name, fastest(t), o)
	if err != nil {
		t.Fatal(err)
	}
	opened[key] = r
	return r
}

func fitted(t *testing.T, r *Recommender, s *period.Stream, p Parts) *Model {
	t.Helper()
	m, err := r.Fit(t.Context(), s, p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func scored(t *testing.T, m *Model, s *period.Stream, samples []int) []float64 {
	t.Helper()
	z, err := m.Score(s, samples)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestSameSeedSameBytes(t *testing.T) {
	s := small(t)
	parts, test := split(s)
	for _, name := range Names() {
		a, b := fitted(t, open(t, name, quick), s, parts), fitted(t, open(t, name, quick), s, parts)
		for k := range a.values {
			if !slices.Equal(a.values[k], b.values[k]) {
				t.Errorf("%s: two trainings with one seed differ", name)
				break
			}
		}
		r := open(t, name, quick)
		other := &Recommender{name: name, arch: r.arch, options: r.options, backend: r.backend, progs: r.progs} // the seed is not compiled
		other.options.Seed = 2
		if slices.Equal(scored(t, a, s, test), scored(t, fitted(t, other, s, parts), s, test)) {
			t.Errorf("%s: another seed changes nothing", name)
		}
	}
}

// The backends compute the same, but for the last bits, which training makes larger.
func TestBackendsAgree(t *testing.T) {
	s := small(t)
	parts, test := split(s)
	o := quick
	o.Dropout, o.Epochs = -1, 1
	for _, name := range Names() {
		var models []*Model
		for _, b := range backends(t) {
			r, err := New(name, b, o)
			if err != nil {
				t.Fatal(err)
			}
			models = append(models, fitted(t, r, s, parts))
		}
		want := scored(t, models[0], s, test)
		for _, m := range models[1:] {
			var apart float64
			for k, z := range scored(t, m, s, test) {
				apart += math.Abs(z-want[k]) / float64(len(test))
			}
			if apart > .02 {
				t.Errorf("%s: scores after training on two backends are %v apart", name, apart)
			}
			moved := *models[0]
			moved.r = m.r
			for k, z := range scored(t, &moved, s, test) {
				if math.Abs(z-want[k]) > 1e-4 {
					t.Fatalf("%s: one model gives sample %d %v on one backend and %v on another", name, test[k], want[k], z)
				}
			}
		}
	}
}

// An update continues from the old state: one that learns nothing is the model before it, one that learns the same again fits it better, and neither
// touches the model before.
func TestUpdateContinues(t *testing.T) {
	s := small(t)
	parts, test := split(s)
	for _, name := range Names() {
		o := quick
		o.LearningRate, o.Patience = .003, -1
		m := fitted(t, open(t, name, o), s, parts)
		before := scored(t, m, s, test)
		still := *m
		o.LearningRate = 1e-12
		still.r = open(t, name, o)
		same, err := still.Update(t.Context(), s, Parts{Train: parts.Train[:64]})
		if err != nil {
			t.Fatal(err)
		}
		for k, z := range scored(t, same, s, test) {
			if math.Abs(z-before[k]) > 1e-4 {
				t.Fatalf("%s: an update that learns nothing turns the score of sample %d from %v into %v", name, test[k], before[k], z)
			}
		}
		more, err := m.Update(t.Context(), s, Parts{Train: parts.Train})
		if err != nil {
			t.Fatal(err)
		}
		if first, second := trainLoss(t, m, s, parts.Train), trainLoss(t, more, s, parts.Train); second >= first {
			t.Errorf("%s: training further turns the loss from %v into %v", name, first, second)
		}
		if !slices.Equal(before, scored(t, m, s, test)) {
			t.Errorf("%s: an update changes the model before it", name)
		}
	}
}

func trainLoss(t *testing.T, m *Model, s *period.Stream, samples []int) float64 {
	t.Helper()
	var sum float64
	for k, z := range scored(t, m, s, samples) {
		y := 0.
		if s.Samples[samples[k]].Label {
			y = 1
		}
		sum += math.Log1p(math.Exp(z)) - y*z
	}
	return sum
}

// An update that makes the validation part worse is not taken.
func TestUpdateKeepsWhatIsBetter(t *testing.T) {
	s := small(t)
	parts, test := split(s)
	o := quick
	o.Epochs = 10
	m := fitted(t, open(t, "mf", o), s, parts)
	wild := *m
	o.LearningRate = 3
	wild.r = open(t, "mf", o)
	after, err := wild.Update(t.Context(), s, parts)
	if err != nil {
		t.Fatal(err)
	}
	if after.Epochs != 0 || !slices.Equal(scored(t, m, s, test), scored(t, after, s, test)) {
		t.Errorf("a harmful update was taken, after epoch %d", after.Epochs)
	}
}

// Nothing of what is tested takes part: turning every rating from a sample on leaves its score as it is, while turning earlier ones does not.
func TestNothingOfTheFutureTakesPart(t *testing.T) {
	s := small(t)
	parts, test := split(s)
	turn := func(which func(e int32) bool) *period.Stream {
		set := *s.Set
		set.Interactions = slices.Clone(set.Interactions)
		for e := range set.Interactions {
			if which(int32(e)) {
				set.Interactions[e].Rating = 6 - set.Interactions[e].Rating
			}
		}
		out, err := period.New(&set, s.Options)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	boundary := s.Samples[test[0]].Event
	later, earlier := turn(func(e int32) bool { return e >= boundary }), turn(func(e int32) bool { return e < boundary && e%2 == 0 })
	for _, name := range Names() {
		r := open(t, name, quick)
		m := fitted(t, r, s, parts)
		after := fitted(t, r, later, parts)
		for k := range m.values {
			if !slices.Equal(m.values[k], after.values[k]) {
				t.Fatalf("%s: training depends on ratings of the tested period", name)
			}
		}
		before := scored(t, m, s, test)
		for k, i := range test {
			if k%97 != 0 {
				continue
			}
			at := s.Samples[i].Event
			if z := scored(t, m, turn(func(e int32) bool { return e >= at }), []int{i})[0]; z != before[k] && math.Abs(z-before[k]) > 1e-6 {
				t.Fatalf("%s: the score of sample %d depends on its own or a later rating: %v and %v", name, i, before[k], z)
			}
		}
		if slices.Equal(before, scored(t, fitted(t, r, earlier, parts), s, test)) {
			t.Errorf("%s: training does not depend on earlier ratings", name)
		}
	}
}

// Users and items that come after a training have the rows that the seed gives them, and an update learns them.
func TestTablesGrow(t *testing.T) {
	s := small(t)
	parts, test := split(s)
	bigger := *s.Set
	bigger.Users = append(slices.Clone(bigger.Users), "new")
	bigger.Items = append(slices.Clone(bigger.Items), dataset.Item{ID: "new", Title: "New words"})
	bigger.Interactions = slices.Clone(bigger.Interactions)
	rng := rand.New(rand.NewPCG(1, 1))
	end := bigger.Interactions[len(bigger.Interactions)-1].Time
	for k := range 400 {
		bigger.Interactions = append(bigger.Interactions, dataset.Interaction{Time: end + int64(k), User: int32(len(s.Set.Users)), Item: []int32{int32(len(s.Set.Items)), 3}[rng.IntN(2)], Rating: []float32{1, 5}[k%3/2]})
	}
	grown, err := period.New(&bigger, s.Options)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		m := fitted(t, open(t, name, quick), s, parts)
		before := scored(t, m, s, test)
		same := scored(t, m, grown, test)
		for k := range before {
			if math.Abs(before[k]-same[k]) > 1e-5 {
				t.Fatalf("%s: a grown stream turns the score of sample %d from %v into %v", name, test[k], before[k], same[k])
			}
		}
		fresh := span(len(s.Samples), len(grown.Samples))
		first := trainLoss(t, m, grown, fresh)
		more, err := m.Update(t.Context(), grown, Parts{Train: fresh})
		if err != nil {
			t.Fatal(err)
		}
		if second := trainLoss(t, more, grown, fresh); second >= first {
			t.Errorf("%s: an update on a new user turns the loss from %v into %v", name, first, second)
		}
		if _, err := more.Score(s, test); !errors.Is(err, ErrOtherData) {
			t.Errorf("%s: a stream with fewer users: %v", name, err)
		}
	}
	p := parameter{name: "x", rows: 5, cols: 3, spread: 1}
	q := parameter{name: "x", rows: 9, cols: 3, spread: 1}
	if !slices.Equal(slices.Concat(p.initial(7, 0), q.initial(7, 5)), q.initial(7, 0)) {
		t.Error("a table that grows has other rows than one that was large from the start")
	}
}

func TestRefuses(t *testing.T) {
	s := small(t)
	parts, _ := split(s)
	r := open(t, "mf", quick)
	if _, err := r.Fit(t.Context(), s, Parts{}); !errors.Is(err, ErrNoSamples) {
		t.Errorf("no samples: %v", err)
	}
	for name, p := range map[string]Parts{"training": {Train: []int{len(s.Samples)}}, "validation": {Train: parts.Train, Valid: []int{-1}}} {
		if _, err := r.Fit(t.Context(), s, p); err == nil {
			t.Errorf("a %s sample that is not there was taken", name)
		}
	}
	if _, err := r.Fit(t.Context(), nil, parts); err == nil {
		t.Error("no stream was taken")
	}
	m := fitted(t, r, s, parts)
	if _, err := m.Score(s, []int{len(s.Samples)}); err == nil {
		t.Error("a sample that is not there was scored")
	}
	other := *s.Set
	other.Users = slices.Clone(other.Users)
	other.Users[3] = "somebody else"
	swapped, err := period.New(&other, s.Options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Score(swapped, parts.Train[:1]); !errors.Is(err, ErrOtherData) {
		t.Errorf("another data set: %v", err)
	}
	if _, err := New("nobody", fastest(t), Options{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown name: %v", err)
	}
	if _, err := New("mf", nil, Options{}); !errors.Is(err, ErrOptions) {
		t.Errorf("no backend: %v", err)
	}
	for _, o := range []Options{{Dim: -1}, {Batch: -1}, {Epochs: -1}, {LearningRate: -1}, {LearningRate: math.NaN()}, {WeightDecay: math.Inf(1)}, {Dropout: 1}, {Loss: "none"}} {
		if _, err := New("mf", fastest(t), o); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	far := quick
	far.LearningRate = 1e38
	if _, err := open(t, "mf", far).Fit(t.Context(), s, parts); !errors.Is(err, ErrNotFinite) {
		t.Errorf("a learning rate of 1e38: %v", err)
	}
}

func TestCancels(t *testing.T) {
	s := small(t)
	parts, _ := split(s)
	r := open(t, "sasrec", quick)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Fit(ctx, s, parts); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled training: %v", err)
	}
	m := fitted(t, r, s, parts)
	if _, err := m.ScoreContext(ctx, s, parts.Train); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled scoring: %v", err)
	}
}
