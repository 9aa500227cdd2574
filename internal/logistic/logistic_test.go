package logistic

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// planted draws labels from a known model.
func planted(n int, w []float64) (x []float64, labels []bool) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range n {
		z := 0.0
		for j := range w {
			v := rng.NormFloat64()
			if j == 0 {
				v = 1
			}
			x = append(x, v)
			z += v * w[j]
		}
		labels = append(labels, rng.Float64() < 1/(1+math.Exp(-z)))
	}
	return x, labels
}

func TestFindsThePlantedWeights(t *testing.T) {
	want := []float64{-.5, 1, .3, 0}
	x, labels := planted(40000, want)
	got, err := Fit(x, labels, make([]Penalty, 4))
	if err != nil {
		t.Fatal(err)
	}
	for j := range want { // the standard error of a weight is about 1/sqrt(.2 n) = .011
		if math.Abs(got[j]-want[j]) > .05 {
			t.Errorf("weights %v, planted %v", got, want)
		}
	}
}

// At the optimum of one feature the weight is known in closed form: with a constant feature alone it is the log-odds of the labels.
func TestClosedForm(t *testing.T) {
	labels := []bool{true, true, true, false}
	got, err := Fit([]float64{1, 1, 1, 1}, labels, make([]Penalty, 1))
	if err != nil || math.Abs(got[0]-math.Log(3)) > 1e-9 {
		t.Errorf("weight %v, %v; want log 3", got, err)
	}
}

// The gradient of loss and penalty is zero where the fit stops, by differences.
func TestStopsAtAnOptimum(t *testing.T) {
	x, labels := planted(300, []float64{1, -2, .5})
	penalties := []Penalty{{}, {Center: 1, Strength: 10}, {Strength: 5}}
	w, err := Fit(x, labels, penalties)
	if err != nil {
		t.Fatal(err)
	}
	f := fit{x, labels, penalties}
	for j := range w {
		const d = 1e-4
		up, down := append([]float64(nil), w...), append([]float64(nil), w...)
		up[j] += d
		down[j] -= d
		if slope := (f.loss(up) - f.loss(down)) / (2 * d); math.Abs(slope) > 1e-4 {
			t.Errorf("weight %d: slope %g", j, slope)
		}
	}
}

func TestPenaltyHoldsWhereDataSaysNothing(t *testing.T) {
	w, err := Fit(nil, nil, []Penalty{{Center: 1, Strength: 1}, {Strength: 2}})
	if err != nil || w[0] != 1 || w[1] != 0 {
		t.Errorf("weights %v, %v", w, err)
	}
	// A separable problem has its optimum at infinity, unless the penalty bounds it.
	x, labels := []float64{1, -1}, []bool{true, false}
	if w, err := Fit(x, labels, []Penalty{{Strength: 1}}); err != nil || !(w[0] > 0 && w[0] < 2) {
		t.Errorf("bounded: %v, %v", w, err)
	}
	if w, err := Fit(x, labels, make([]Penalty, 1)); !errors.Is(err, ErrNotFitted) && !(err == nil && w[0] > 5) {
		t.Errorf("unbounded: %v, %v", w, err)
	}
	// Two equal features cannot be told apart.
	if _, err := Fit([]float64{1, 1, 2, 2, -1, -1}, []bool{true, false, true}, make([]Penalty, 2)); !errors.Is(err, ErrNotFitted) {
		t.Errorf("singular: %v", err)
	}
}

func TestBadInput(t *testing.T) {
	for name, x := range map[string][]float64{"too few": {1}, "not a number": {1, math.NaN()}, "infinite": {math.Inf(1), 1}} {
		if _, err := Fit(x, []bool{true, false}, make([]Penalty, 1)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Fit(nil, nil, nil); err == nil {
		t.Error("no features: no error")
	}
}
