package metric

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// mixed computes the ensemble's log-odds from probabilities with 2000 bits: enough that exp(-700) is not lost beside 1.
func mixed(x, y, w float64) float64 {
	const bits = 2000
	f := func(v float64) *big.Float { return new(big.Float).SetPrec(bits).SetFloat64(v) }
	sigmoid := func(v float64) *big.Float { // 1/(1+exp(-v)); exp(-v) in float64 carries 1e-16 relative error only
		d := f(math.Exp(-v))
		return new(big.Float).SetPrec(bits).Quo(f(1), d.Add(d, f(1)))
	}
	mix := func(p, q *big.Float) *big.Float {
		p.Mul(p, f(w))
		q.Mul(q, new(big.Float).SetPrec(bits).Sub(f(1), f(w)))
		return p.Add(p, q)
	}
	yes, no := mix(sigmoid(x), sigmoid(y)), mix(sigmoid(-x), sigmoid(-y))
	ratio, _ := yes.Quo(yes, no).Float64()
	return math.Log(ratio)
}

func mixOf(t interface{ Fatal(args ...any) }, w float64, long, short []float64) []float64 {
	got, err := MixProbabilities(w, long, short)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEnsembleIsTheMixtureOfProbabilities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := rapid.Float64Range(-700, 700).Draw(t, "long"), rapid.Float64Range(-700, 700).Draw(t, "short")
		w := rapid.Float64Range(.001, .999).Draw(t, "w")
		got := mixOf(t, w, []float64{x}, []float64{y})[0]
		if want := mixed(x, y, w); math.Abs(got-want) > 1e-11*max(1, math.Abs(want)) {
			t.Fatalf("%v, want %v", got, want)
		}
		if swapped := mixOf(t, 1-w, []float64{y}, []float64{x})[0]; math.Abs(got-swapped) > 1e-9*max(1, math.Abs(got)) {
			t.Fatalf("%v, with the roles swapped %v", got, swapped)
		}
		if got < min(x, y)-1e-9 || got > max(x, y)+1e-9 {
			t.Fatalf("%v is not between %v and %v", got, x, y)
		}
	})
}

func TestEnsembleAtTheEnds(t *testing.T) {
	long, short := []float64{-700, 3.25, 700, math.Inf(1)}, []float64{700, -1, 700, math.Inf(-1)}
	if got := mixOf(t, 1, long, short); !slices.Equal(got, long) {
		t.Errorf("w=1: %v", got)
	}
	if got := mixOf(t, 0, long, short); !slices.Equal(got, short) {
		t.Errorf("w=0: %v", got)
	}
	got := mixOf(t, .5, long, short)
	if math.Abs(got[0]) > 1e-12 || math.Abs(got[2]-700) > 1e-9 || math.Abs(got[3]) > 1e-12 {
		t.Errorf("w=.5: %v", got)
	}
	if a, b := mixOf(t, .5, []float64{600}, []float64{700})[0], mixOf(t, .5, []float64{601}, []float64{700})[0]; !(b > a) {
		t.Errorf("the order of two sure scores is lost: %v, %v", a, b)
	}
	if got := mixOf(t, .5, []float64{-5000, 5000}, []float64{-4000, 4000}); math.Abs(got[0]+4000+math.Ln2) > 1e-9 || math.Abs(got[1]-4000-math.Ln2) > 1e-9 {
		t.Errorf("far out in the tails: %v", got)
	}
}
