package study_test

import (
	"testing"

	"lsat/metric"
	"lsat/strategy"
)

// The weight of lsat-ensemble-served is the one with the highest mean AUC over the periods that are over, of what served each: the rows long and
// short of those periods tell it. Before there are any, it is the validation part's.
func TestEnsembleByWhatServed(t *testing.T) {
	t.Parallel()
	differ := 0
	for _, suffix := range []string{"", "+prior"} {
		long, short, served := "long"+suffix, "short"+suffix, "lsat-ensemble-served"+suffix
		c, in := small(t, "prior=means", "strategies=["+long+", "+short+", lsat-ensemble-3"+suffix+", "+served+"]")
		dir := t.TempDir()
		r := run(t, dir, c, in)
		if a, b := find(t, r, served, 3), find(t, r, "lsat-ensemble-3"+suffix, 3); a.Weight != b.Weight || a.AUC != b.AUC {
			t.Errorf("%s: at first it has weight %v, by validation it is %v", served, a.Weight, b.Weight)
		}
		sum := make([]float64, len(strategy.Weights()))
		for p := 3; p < 5; p++ {
			l, labels := oddsOf(t, dir, long, p)
			sh, _ := oddsOf(t, dir, short, p)
			for i, w := range strategy.Weights() {
				mixed, err := metric.MixProbabilities(w, l, sh)
				if err != nil {
					t.Fatal(err)
				}
				auc, err := metric.AUC(mixed, labels)
				if err != nil {
					t.Fatal(err)
				}
				sum[i] += auc
			}
			weight := find(t, r, served, p+1).Weight
			if best := strategy.Weights()[strategy.Choose(strategy.Weights(), sum)]; weight != best {
				t.Errorf("%s on period %d has weight %v; on the periods before it %v gives the most: %v", served, p+1, weight, best, sum)
			}
			if weight != find(t, r, "lsat-ensemble-3"+suffix, p+1).Weight {
				differ++
			}
		}
	}
	if differ == 0 {
		t.Error("validation would have chosen the same everywhere: this shows nothing")
	}
}
