package baseline

import (
	"math"
	"testing"
)

// Two groups without a penalty: the fitted log-odds are the groups' own.
func TestLogisticOfTwoGroups(t *testing.T) {
	var rows []float64
	var labels []bool
	for k := range 40 { // group 0: 5 of 20 liked; group 1: 16 of 20
		group := k % 2
		rows = append(rows, float64(group), 3) // the second feature does not vary
		labels = append(labels, k/2 < []int{5, 16}[group])
	}
	f, err := fitLogistic(rows, 2, labels, 1e-12)
	if err != nil {
		t.Fatal(err)
	}
	for group, want := range []float64{math.Log(5. / 15), math.Log(16. / 4)} {
		if got := f.logOdds([]float64{float64(group), 3}); math.Abs(got-want) > 1e-6 {
			t.Errorf("group %d: log-odds %v, want %v", group, got, want)
		}
	}
}

// Labels that a feature separates have no finite optimum without a penalty, and one with it.
func TestLogisticOfSeparatedLabels(t *testing.T) {
	f, err := fitLogistic([]float64{-2, -1, 1, 2}, 1, []bool{false, false, true, true}, .01)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := f.logOdds([]float64{-1}), f.logOdds([]float64{1}); !(a < -1 && b > 1) || math.IsInf(b, 0) {
		t.Errorf("log-odds %v and %v", a, b)
	}
}

func TestSolve(t *testing.T) {
	// A = [4 2 0; 2 5 1; 0 1 3], x = (1, -2, 3).
	lower, b := []float64{4, 2, 5, 0, 1, 3}, []float64{0, -5, 7}
	if !solve(lower, b) {
		t.Fatal("a positive definite matrix is refused")
	}
	for k, want := range []float64{1, -2, 3} {
		if math.Abs(b[k]-want) > 1e-12 {
			t.Errorf("x%d = %v, want %v", k, b[k], want)
		}
	}
	for name, lower := range map[string][]float64{"indefinite": {1, 2, 1}, "not a number": {math.NaN(), 0, 1}} {
		if solve(lower, []float64{1, 1}) {
			t.Errorf("a matrix that is %s is solved", name)
		}
	}
}
