package main

import (
	"errors"
	"math"
	"testing"
)

func TestQuantile(t *testing.T) {
	// numpy.quantile([3, 1, 2, 10], [0, .25, .5, .75, 1])
	want := map[float64]float64{0: 1, .25: 1.75, .5: 2.5, .75: 4.75, 1: 10}
	for q, v := range want {
		if got := quantile([]float64{3, 1, 2, 10}, q); math.Abs(got-v) > 1e-12 {
			t.Errorf("quantile %v is %v, want %v", q, got, v)
		}
	}
	if !math.IsNaN(quantile(nil, .5)) {
		t.Error("the median of nothing is a number")
	}
}

func TestPairedRatio(t *testing.T) {
	// Logarithms of the ratios are log 2 + {-.1, 0, .1}: mean log 2, standard error .1/sqrt 3, Student's 97.5% point of 2 degrees 4.302653.
	a := []float64{2 * math.Exp(-.1), 20, 200 * math.Exp(.1)}
	got, err := pairedRatio(a, []float64{1, 10, 100})
	if err != nil {
		t.Fatal(err)
	}
	half := 4.302652729911275 * .1 / math.Sqrt(3)
	for name, v := range map[string][2]float64{"value": {got.Value, 2}, "low": {got.Low, 2 * math.Exp(-half)}, "high": {got.High, 2 * math.Exp(half)}} {
		if math.Abs(v[0]-v[1]) > 1e-6 {
			t.Errorf("%s is %v, want %v", name, v[0], v[1])
		}
	}
	back, err := pairedRatio([]float64{1, 10, 100}, a)
	if err != nil || math.Abs(back.Value*got.Value-1) > 1e-12 || math.Abs(back.Low*got.High-1) > 1e-12 {
		t.Errorf("the other way round: %v, %v: not the reciprocal", back, err)
	}
}

// Values of scipy 1.17.1: exp of the mean of log(a/b), and of scipy.stats.t.interval(.95, n-1, loc=mean, scale=scipy.stats.sem(logs)).
func TestPairedRatioIsSciPys(t *testing.T) {
	var a, b []float64
	for i := range 30 {
		a = append(a, float64(i+1))
		b = append(b, float64(30-i)+.5*float64(i%3))
	}
	for _, c := range []struct {
		a, b []float64
		want interval
	}{
		{[]float64{41.2, 39.8, 44.1, 40.5, 37.9}, []float64{10.3, 11, 10.1, 9.7, 10.6}, interval{3.934928501262142, 3.52856672, 4.38808829}},
		{[]float64{3, 5}, []float64{2, 2.5}, interval{1.7320508075688772, .27849156, 10.77231913}},
		{a, b, interval{.934887497728792, .53003837, 1.64896482}},
	} {
		got, err := pairedRatio(c.a, c.b)
		near := func(x, y float64) bool { return math.Abs(x/y-1) < 1e-7 }
		if err != nil || !near(got.Value, c.want.Value) || !near(got.Low, c.want.Low) || !near(got.High, c.want.High) {
			t.Errorf("%d rounds: %v (%v), want %v", len(c.a), got, err, c.want)
		}
	}
}

func TestPairedRatioRefuses(t *testing.T) {
	one, err := pairedRatio([]float64{6}, []float64{2})
	if !errors.Is(err, errTooFew) || math.Abs(one.Value-3) > 1e-12 || !math.IsNaN(one.Low) {
		t.Errorf("one round: %v, %v", one, err)
	}
	for name, c := range map[string][2][]float64{"lengths": {{1, 2}, {1}}, "nothing": {}, "zero": {{0, 1}, {1, 1}}, "NaN": {{1, math.NaN()}, {1, 1}}} {
		if _, err := pairedRatio(c[0], c[1]); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
