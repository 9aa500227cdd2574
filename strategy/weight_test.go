package strategy

import (
	"math"
	"testing"
)

func TestWeights(t *testing.T) {
	w := Weights()
	if len(w) != 11 || w[0] != 0 || w[3] != .3 || w[5] != .5 || w[10] != 1 {
		t.Errorf("grid %v", w)
	}
}

func TestChoose(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		auc  []float64
		want float64
	}{
		"the best":                         {[]float64{.5, .6, .7, .8, .7, .6, .5, .5, .5, .5, .5}, .3},
		"long alone":                       {[]float64{.5, .5, .5, .5, .5, .5, .5, .5, .5, .5, .6}, 1},
		"short alone":                      {[]float64{.6, .5, .5, .5, .5, .5, .5, .5, .5, .5, .5}, 0},
		"all equal: the least committed":   {[]float64{.5, .5, .5, .5, .5, .5, .5, .5, .5, .5, .5}, .5},
		"a tie: the nearest to a half":     {[]float64{.9, .5, .5, .5, .5, .5, .5, .9, .5, .5, .5}, .7},
		"equally near: the newer adapter":  {[]float64{.5, .5, .5, .5, .9, .5, .9, .5, .5, .5, .5}, .4},
		"equally near, the other way":      {[]float64{.5, .9, .5, .5, .5, .5, .5, .5, .5, .9, .5}, .1},
		"what is not a number is not best": {[]float64{nan, nan, .2, nan, nan, nan, nan, nan, .3, nan, nan}, .8},
	} {
		if got := Choose(Weights(), c.auc); got < 0 || Weights()[got] != c.want {
			t.Errorf("%s: weight index %d, want weight %v", name, got, c.want)
		}
	}
	if got := Choose(Weights(), []float64{nan, nan}); got != -1 {
		t.Errorf("of no AUC at all it chose %d", got)
	}
}
