package metric

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

func TestBootstrapAgreesWithDeLong(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var a, b []float64
	var labels []bool
	for range 800 {
		x := rng.NormFloat64()
		a = append(a, x+rng.NormFloat64())
		b = append(b, x+1.5*rng.NormFloat64())
		labels = append(labels, x+rng.NormFloat64() > 0)
	}
	c, err := DeLongTest(a, b, labels)
	if err != nil {
		t.Fatal(err)
	}
	r, err := BootstrapAUC(t.Context(), a, b, labels, BootstrapOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "difference", r.Value, c.Difference.Value)
	if ratio := r.SE / c.Difference.SE; ratio < .9 || ratio > 1.1 {
		t.Errorf("bootstrap SE %g, DeLong SE %g", r.SE, c.Difference.SE)
	}
	lo, hi := c.Difference.Interval(.95)
	if math.Abs(r.Low-lo) > c.Difference.SE/3 || math.Abs(r.High-hi) > c.Difference.SE/3 {
		t.Errorf("bootstrap interval [%g, %g], DeLong's [%g, %g]", r.Low, r.High, lo, hi)
	}
	again, err := BootstrapAUC(t.Context(), a, b, labels, BootstrapOptions{Seed: 1})
	if err != nil || again != r {
		t.Errorf("the same seed gave %+v, then %+v (%v)", r, again, err)
	}
	other, err := BootstrapAUC(t.Context(), a, b, labels, BootstrapOptions{Seed: 2})
	if err != nil || other.Low == r.Low {
		t.Errorf("another seed gave the same interval (%v)", err)
	}
	swapped, err := BootstrapAUC(t.Context(), b, a, labels, BootstrapOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "swapped low", swapped.Low, -r.High)
	near(t, "swapped p", swapped.P, r.P)
}

// The mean over test sets of independent users has the standard error that DeLong's parts add up to; where the sets hold the same users, with the
// same opinions, drawing them together makes it larger.
func TestMeanOverTestSets(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	set := func() Paired {
		var s Paired
		for range 600 {
			x := rng.NormFloat64()
			s.A = append(s.A, x+rng.NormFloat64())
			s.B = append(s.B, x+1.5*rng.NormFloat64())
			s.Labels = append(s.Labels, x+rng.NormFloat64() > 0)
		}
		return s
	}
	users := func(sets, shared int) (out []int32) {
		for k := range sets {
			for i := range 600 {
				out = append(out, int32(i+k*(600-shared)))
			}
		}
		return out
	}
	sets := []Paired{set(), set(), set()}
	var parts []Estimate
	for _, s := range sets {
		c, err := DeLongTest(s.A, s.B, s.Labels)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, c.Difference)
	}
	want, err := Mean(parts)
	if err != nil {
		t.Fatal(err)
	}
	apart, err := BootstrapMeanAUC(t.Context(), sets, BootstrapOptions{Seed: 1, Clusters: users(3, 0)})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mean difference", apart.Value, want.Value)
	if ratio := apart.SE / want.SE; ratio < .9 || ratio > 1.1 {
		t.Errorf("bootstrap SE %g, DeLong's %g", apart.SE, want.SE)
	}
	same := []Paired{sets[0], sets[0], sets[0]}
	together, err := BootstrapMeanAUC(t.Context(), same, BootstrapOptions{Seed: 1, Clusters: users(3, 600)})
	if err != nil {
		t.Fatal(err)
	}
	one, err := BootstrapMeanAUC(t.Context(), same[:1], BootstrapOptions{Seed: 1, Clusters: users(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(together.SE/one.SE-1) > 1e-9 {
		t.Errorf("three times the same users: SE %g, once %g", together.SE, one.SE)
	}
	if _, err := BootstrapMeanAUC(t.Context(), nil, BootstrapOptions{}); !errors.Is(err, ErrEmpty) {
		t.Errorf("no test set: %v", err)
	}
	if _, err := BootstrapMeanAUC(t.Context(), sets, BootstrapOptions{Clusters: users(2, 0)}); !errors.Is(err, ErrLength) {
		t.Errorf("users of two sets of three: %v", err)
	}
}

// Copies of a sample carry no new information: an interval by cluster must not shrink because every sample stands there nine times.
func TestClustersCountOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var once, copies []float64
	var clusters []int32
	for i := range 200 {
		d := rng.NormFloat64()
		once = append(once, d)
		for range 9 {
			copies = append(copies, d)
			clusters = append(clusters, int32(1000-i))
		}
	}
	want, err := BootstrapMean(t.Context(), once, BootstrapOptions{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	got, err := BootstrapMean(t.Context(), copies, BootstrapOptions{Seed: 3, Clusters: clusters})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "value", got.Value, want.Value)
	near(t, "SE", got.SE, want.SE)
	near(t, "low", got.Low, want.Low)
	naive, err := BootstrapMean(t.Context(), copies, BootstrapOptions{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if ratio := want.SE / naive.SE; ratio < 2.5 || ratio > 3.5 {
		t.Errorf("by cluster SE is %g times the naive one, want about 3", ratio)
	}
}

func TestBootstrapStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := BootstrapMean(ctx, []float64{1, 2}, BootstrapOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a cancelled context", err)
	}
}

func TestBootstrapRedrawsOneClass(t *testing.T) {
	labels := []bool{true, false, false, false}
	r, err := BootstrapAUC(t.Context(), []float64{4, 3, 2, 1}, []float64{1, 2, 3, 4}, labels, BootstrapOptions{Replicates: 200})
	if err != nil {
		t.Fatal(err)
	}
	if r.Rejected == 0 || r.Replicates != 200 || r.Low != 1 || r.High != 1 {
		t.Errorf("got %+v: want rejected resamples and 200 replicates of a difference of 1", r)
	}
}
