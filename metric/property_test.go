package metric

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// draw makes a random case with many ties and both classes at least twice.
func draw(rng *rand.Rand) (a, b []float64, labels []bool) {
	n := 4 + rng.IntN(60)
	levels := 2 + rng.IntN(30)
	for i := range n {
		a = append(a, float64(rng.IntN(levels))/4-2)
		b = append(b, float64(rng.IntN(levels))/4-2)
		labels = append(labels, i < 2 || i >= 4 && rng.IntN(3) == 0)
	}
	return a, b, labels
}

// pairs is the AUC by its definition.
func pairs(s []float64, labels []bool) float64 {
	var won, all float64
	for i, x := range s {
		for j, y := range s {
			if labels[i] && !labels[j] {
				all++
				if x > y {
					won++
				} else if x == y {
					won += .5
				}
			}
		}
	}
	return won / all
}

// slowVariance is the variance of AUC(a)-AUC(b) from DeLong's kernel sums over all pairs of pairs (b nil: of AUC(a)).
func slowVariance(a, b []float64, labels []bool) float64 {
	psi := func(s []float64, i, j int) float64 {
		if s == nil {
			return 0
		}
		switch {
		case s[i] > s[j]:
			return 1
		case s[i] == s[j]:
			return .5
		}
		return 0
	}
	var pos, neg []int
	for i, l := range labels {
		if l {
			pos = append(pos, i)
		} else {
			neg = append(neg, i)
		}
	}
	part := func(over, other []int, swap bool) float64 {
		var v []float64
		var sum float64
		for _, i := range over {
			var x float64
			for _, j := range other {
				if swap {
					x += psi(a, j, i) - psi(b, j, i)
				} else {
					x += psi(a, i, j) - psi(b, i, j)
				}
			}
			v = append(v, x/float64(len(other)))
			sum += v[len(v)-1]
		}
		var s float64
		for _, x := range v {
			s += (x - sum/float64(len(v))) * (x - sum/float64(len(v)))
		}
		return s / float64(len(v)-1) / float64(len(v))
	}
	return part(pos, neg, false) + part(neg, pos, true)
}

func TestAgainstBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		a, b, labels := draw(rng)
		auc, err := AUC(a, labels)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "AUC", auc, pairs(a, labels))
		c, err := DeLongTest(a, b, labels)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "SE of one", c.A.SE, math.Sqrt(slowVariance(a, nil, labels)))
		near(t, "SE of the difference", c.Difference.SE, math.Sqrt(slowVariance(a, b, labels)))
		swapped, err := DeLongTest(b, a, labels)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "swapped difference", swapped.Difference.Value, -c.Difference.Value)
		near(t, "swapped SE", swapped.Difference.SE, c.Difference.SE)
		near(t, "swapped p", swapped.Difference.P(), c.Difference.P())
	}
}

func TestAUCInvariances(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a, _, labels := draw(rng)
		want, err := AUC(a, labels)
		if err != nil {
			t.Fatal(err)
		}
		monotone, negated, flipped := make([]float64, len(a)), make([]float64, len(a)), make([]bool, len(a))
		single := make([]float32, len(a))
		for i, x := range a {
			monotone[i], negated[i], flipped[i], single[i] = math.Exp(3*x)-7, -x, !labels[i], float32(x)
		}
		perm := rng.Perm(len(a))
		shuffled, shuffledLabels := make([]float64, len(a)), make([]bool, len(a))
		for i, j := range perm {
			shuffled[i], shuffledLabels[i] = a[j], labels[j]
		}
		for name, f := range map[string]func() (float64, error){
			"a monotone map":   func() (float64, error) { return AUC(monotone, labels) },
			"float32":          func() (float64, error) { return AUC(single, labels) },
			"another order":    func() (float64, error) { return AUC(shuffled, shuffledLabels) },
			"negated twice":    func() (float64, error) { return AUC(negated, flipped) },
			"one minus others": func() (float64, error) { x, err := AUC(negated, labels); return 1 - x, err },
		} {
			got, err := f()
			if err != nil {
				t.Fatal(err)
			}
			near(t, name, got, want)
		}
		ece, _, err := Calibration(a, labels, 5)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := Calibration(shuffled, shuffledLabels, 5)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "calibration in another order", again, ece)
	}
}

func TestExtremes(t *testing.T) {
	inf := math.Inf(1)
	auc, err := AUC([]float64{-inf, inf, 0, inf}, []bool{false, true, false, true})
	if err != nil || auc != 1 {
		t.Errorf("perfect ranking with infinities: %v, %v", auc, err)
	}
	loss, err := LogLoss([]float64{1000, -1000}, []bool{false, true})
	if err != nil || loss != 1000 {
		t.Errorf("log-loss of two confident errors: %v, %v; want 1000", loss, err)
	}
	loss, err = LogLoss([]float64{inf, -inf}, []bool{true, false})
	if err != nil || loss != 0 {
		t.Errorf("log-loss of two certain hits: %v, %v; want 0", loss, err)
	}
	if loss, err = LogLoss([]float32{-50}, []bool{false}); err != nil || loss <= 0 || loss > 1e-21 {
		t.Errorf("log-loss of a near-certain hit: %v, %v; want exp(-50), not 0", loss, err)
	}
	c, err := DeLongTest([]float64{1, 2, 3, 4}, []float64{1, 2, 3, 4}, []bool{false, true, false, true})
	if err != nil || c.Difference.P() != 1 || c.Difference.SE != 0 {
		t.Errorf("a model against itself: %+v, %v; want difference 0 with p 1", c, err)
	}
	c, err = DeLongTest([]float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}, []bool{false, false, true, true})
	if err != nil || c.Difference.P() != 0 || c.Difference.Value != 1 {
		t.Errorf("all right against all wrong: %+v, %v; want difference 1 with p 0", c, err)
	}
}

func TestRefusals(t *testing.T) {
	two := []bool{true, false}
	nan := math.NaN()
	user := []int32{1, 2}
	for name, c := range map[string]struct {
		want error
		f    func() error
	}{
		"AUC of one class":    {ErrOneClass, func() error { _, err := AUC([]float64{1, 2}, []bool{true, true}); return err }},
		"AUC of nothing":      {ErrOneClass, func() error { _, err := AUC([]float64{}, nil); return err }},
		"AUC of a NaN":        {ErrNaN, func() error { _, err := AUC([]float64{1, nan}, two); return err }},
		"AUC of two lengths":  {ErrLength, func() error { _, err := AUC([]float64{1}, two); return err }},
		"DeLong of too few":   {ErrTooFew, func() error { _, err := DeLong([]float64{1, 2}, two); return err }},
		"DeLong of one class": {ErrOneClass, func() error { _, err := DeLong([]float64{1, 2}, []bool{false, false}); return err }},
		"DeLong test lengths": {ErrLength, func() error { _, err := DeLongTest([]float64{1}, []float64{1, 2}, two); return err }},
		"user AUC":            {ErrOneClass, func() error { _, err := UserAUC([]float64{1, 2}, two, user); return err }},
		"user AUC lengths":    {ErrLength, func() error { _, err := UserAUC([]float64{1, 2}, two, user[:1]); return err }},
		"log-loss of nothing": {ErrEmpty, func() error { _, err := LogLoss([]float32{}, nil); return err }},
		"mean of nothing":     {ErrEmpty, func() error { _, err := Mean(nil); return err }},
		"bootstrap one class": {ErrOneClass, func() error {
			_, err := BootstrapAUC(t.Context(), []float64{1, 2}, []float64{1, 2}, []bool{true, true}, BootstrapOptions{})
			return err
		}},
		"bootstrap clusters": {ErrLength, func() error {
			_, err := BootstrapAUC(t.Context(), []float64{1, 2}, []float64{1, 2}, two, BootstrapOptions{Clusters: user[:1]})
			return err
		}},
		"a mix of two lengths": {ErrLength, func() error { _, err := MixProbabilities(.5, []float64{1}, nil); return err }},
	} {
		if err := c.f(); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		}
	}
	for _, p := range [][]float64{{-.1}, {1.1}, {nan}} {
		if _, err := Holm(p); err == nil {
			t.Errorf("Holm took %v", p)
		}
	}
	for _, w := range []float64{-.1, 1.1, nan} {
		if _, err := MixLogOdds(w, []float64{1}, []float64{2}); err == nil {
			t.Errorf("a weight of %g was taken", w)
		}
	}
}

func TestUserAUC(t *testing.T) {
	// User 7: 1 of 1 pairs right; user 8: 1 of 2 pairs, over 3 samples; user 9 has one class.
	scores := []float64{2, 1, 5, 4, 3, 9}
	labels := []bool{true, false, false, true, false, true}
	users := []int32{7, 7, 8, 8, 8, 9}
	got, err := UserAUC(scores, labels, users)
	if err != nil {
		t.Fatal(err)
	}
	want := UserAUCs{Mean: .75, Weighted: .7, Users: 2, Samples: 5, OneClass: 1}
	if math.Abs(got.Weighted-want.Weighted) < 1e-15 {
		got.Weighted = want.Weighted
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestHolm(t *testing.T) {
	got, err := Holm([]float64{.01, .04, .03, .005})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{.03, .06, .06, .02} { // R: p.adjust(c(.01,.04,.03,.005), "holm")
		near(t, "Holm", got[i], want)
	}
	if got, err = Holm([]float64{.6, .9}); err != nil || !slices.Equal(got, []float64{1, 1}) {
		t.Errorf("large p-values: %v, %v; want 1 and 1", got, err)
	}
}

func TestIntervalAndMean(t *testing.T) {
	lo, hi := Estimate{Value: 1, SE: 2}.Interval(.95)
	if math.Abs(lo-(1-2*1.959963984540054)) > 1e-12 || math.Abs(hi-(1+2*1.959963984540054)) > 1e-12 {
		t.Errorf("95%% interval: %v, %v", lo, hi)
	}
	near(t, "p of z = 1.96", Estimate{Value: -1.959963984540054, SE: 1}.P(), .05)
	m, err := Mean([]Estimate{{1, 3}, {3, 4}})
	if err != nil {
		t.Fatal(err)
	}
	if m != (Estimate{Value: 2, SE: 2.5}) {
		t.Errorf("mean of two estimates: %v", m)
	}
}

func TestMix(t *testing.T) {
	a, b := []float64{-3, 0.5, 800, math.Inf(1)}, []float64{2, 0.5, -800, 1}
	for w, want := range map[float64][]float64{1: a, 0: b} {
		for name, f := range map[string]func(float64, []float64, []float64) ([]float64, error){"probabilities": MixProbabilities, "log-odds": MixLogOdds} {
			got, err := f(w, a, b)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s at weight %g: %v, %v; want %v", name, w, got, err, want)
			}
		}
	}
	got, err := MixProbabilities(.3, a, b)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mixed probability", Probability(got[0]), .3*Probability(-3)+.7*Probability(2))
	near(t, "equal parts", got[1], .5)
	near(t, "opposite certainties", got[2], math.Log(.3/.7))
	near(t, "one certainty", got[3], math.Log((.3+.7*Probability(1))/(.7*Probability(-1))))
}
