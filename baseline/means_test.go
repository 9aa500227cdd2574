package baseline

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"

	"lsat/dataset"
	"lsat/period"
)

// small is a data set of (user, item, rating) in time order.
func small(t *testing.T, history int, events ...[3]int) *period.Stream {
	t.Helper()
	set := &dataset.Set{Name: "test", Hash: "test"}
	for i := range 5 {
		set.Items = append(set.Items, dataset.Item{ID: strconv.Itoa(i)})
		set.Users = append(set.Users, strconv.Itoa(i))
	}
	for k, e := range events {
		set.Interactions = append(set.Interactions, dataset.Interaction{Time: int64(k), User: int32(e[0]), Item: int32(e[1]), Rating: float32(e[2])})
	}
	s, err := period.New(set, period.Options{History: history, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMeansByHand(t *testing.T) {
	s := small(t, 1,
		[3]int{0, 0, 5}, [3]int{1, 0, 1}, // no samples: no history yet
		[3]int{0, 1, 5}, // sample 0: item 1 liked
		[3]int{1, 1, 1}, // sample 1: item 1 not liked
		[3]int{0, 2, 4}, // sample 2: item 2 liked
		[3]int{1, 2, 4}, // sample 3, asked: history item 1, not liked
		[3]int{0, 3, 1}, // sample 4, asked: an unknown item, history item 2, liked
	)
	model, err := Means{ItemSmoothing: 1, UserSmoothing: 2}.Fit(s, []int{0, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	got, err := model.Score(s, []int{3, 4})
	if err != nil {
		t.Fatal(err)
	}
	// m = 2/3, p(1) = (1+2/3)/3 = 5/9, p(2) = (1+2/3)/2 = 5/6, p(3) = 2/3.
	for k, p := range []float64{5./6 + (0-5./9)/3, 2./3 + (1-5./6)/3} {
		if want := math.Log(p / (1 - p)); math.Abs(got[k]-want) > 1e-12 {
			t.Errorf("score %d: got %v, want %v", k, got[k], want)
		}
	}
	model, err = Means{ItemSmoothing: -1, UserSmoothing: -1}.Fit(s, []int{0, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if got, err = model.Score(s, []int{3, 4}); err != nil {
		t.Fatal(err)
	}
	// Without smoothing: p(1) = 1/2, p(2) = 1, an unknown item has m = 2/3.
	for k, p := range []float64{1 - .5, 2. / 3} { // p(item) plus the mean residual of the history: 0 - 1/2, and 1 - 1
		if want := math.Log(p / (1 - p)); math.Abs(got[k]-want) > 1e-12 {
			t.Errorf("without smoothing, score %d: got %v, want %v", k, got[k], want)
		}
	}
}

// A score must follow from what lies before its sample: changing every rating from the sample on changes nothing.
func TestMeansDoNotSeeTheFuture(t *testing.T) {
	var events [][3]int
	for k := range 60 {
		events = append(events, [3]int{k % 3, (k*k + k/7) % 5, 1 + (k*7)%5})
	}
	before := small(t, 4, events...)
	const split = 24
	test := make([]int, 0)
	for i := split; i < len(before.Samples); i++ {
		test = append(test, i)
	}
	score := func(s *period.Stream, i int) float64 {
		train := make([]int, split)
		for k := range train {
			train[k] = k
		}
		model, err := Means{}.Fit(s, train)
		if err != nil {
			t.Fatal(err)
		}
		got, err := model.Score(s, []int{i})
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	changed := false
	for _, i := range test {
		later := slices.Clone(events)
		for k := int(before.Samples[i].Event); k < len(later); k++ {
			later[k][2] = 6 - later[k][2]
		}
		after := small(t, 4, later...)
		if score(before, i) != score(after, i) {
			t.Errorf("sample %d: its score depends on its own or a later rating", i)
		}
		earlier := slices.Clone(events)
		for k := range int(before.Samples[i].Event) {
			earlier[k][2] = 6 - earlier[k][2]
		}
		changed = changed || score(before, i) != score(small(t, 4, earlier...), i)
	}
	if !changed {
		t.Error("no score depends on any earlier rating")
	}
}

func TestLogOddsKeepsTheOrder(t *testing.T) {
	last := math.Inf(-1)
	for p := -1.0; p <= 2; p += 1. / 1024 {
		z := LogOdds(p)
		if z <= last || math.IsNaN(z) || math.IsInf(z, 0) {
			t.Fatalf("LogOdds(%g) = %g after %g", p, z, last)
		}
		if math.Abs(z+LogOdds(1-p)) > 1e-9 {
			t.Fatalf("LogOdds(%g) = %g, but LogOdds(%g) = %g", p, z, 1-p, LogOdds(1-p))
		}
		last = z
	}
}

func TestMeansRefuse(t *testing.T) {
	s := small(t, 1, [3]int{0, 0, 5}, [3]int{0, 1, 5})
	if _, err := (Means{}).Fit(s, nil); !errors.Is(err, ErrNoSamples) {
		t.Errorf("no samples: got %v", err)
	}
	for name, f := range map[string]func() error{
		"a sample out of range": func() error { _, err := Means{}.Fit(s, []int{1}); return err },
		"no stream":             func() error { _, err := Means{}.Fit(nil, []int{0}); return err },
		"NaN":                   func() error { _, err := Means{ItemSmoothing: math.NaN()}.Fit(s, []int{0}); return err },
		"another data set": func() error {
			model, err := Means{}.Fit(s, []int{0})
			if err != nil {
				t.Fatal(err)
			}
			other := small(t, 1, [3]int{0, 0, 5}, [3]int{0, 1, 5})
			other.Set.Items = other.Set.Items[:2]
			_, err = model.Score(other, []int{0})
			return err
		},
	} {
		if f() == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// The two references that the project prints beside every table, on the data they are known for.
func TestML1MReferences(t *testing.T) {
	s := ml1m(t)
	all, newest := meanAUC(t, s, Means{}, 10, 20)
	t.Logf("D_1 to D_t: %.4f, D_t alone: %.4f", all, newest)
	for k, got := range []float64{all, newest} {
		if want := []float64{.782, .749}[k]; math.Abs(got-want) > .0005 {
			t.Errorf("reference %d: mean AUC %.4f, want %.3f", k, got, want)
		}
	}
}
