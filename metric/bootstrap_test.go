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
