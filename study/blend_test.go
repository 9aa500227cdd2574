package study_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"lsat/metric"
	"lsat/study"
)

// A sum of references adds up their log-odds with coefficients that are the optimum over what its parts served in the five periods before, with a
// penalty that draws them to the first part alone; nothing has been served before period 1.
func TestSumAddsUpWhatServedBefore(t *testing.T) {
	t.Parallel()
	c, in := small(t, "stream.count=9", "strategies=[zero-shot]", "references=[means, history, counts, means+history+counts]", "periods.first=1", "periods.last=8")
	dir := t.TempDir()
	r := run(t, dir, c, in)
	columns := func(p int) (x [][]float64, labels []bool) {
		for _, name := range []string{"means", "history", "counts"} {
			var odds []float64
			odds, labels = oddsOf(t, dir, name, p)
			x = append(x, odds)
		}
		return x, labels
	}
	for p := 1; p <= 8; p++ {
		cs := find(t, r, "means+history+counts", p).Coefficients
		if len(cs) != 4 || cs[0].Part != "intercept" || cs[1].Part != "means" || cs[2].Part != "history" || cs[3].Part != "counts" {
			t.Fatalf("coefficients %v", cs)
		}
		sum := func(x [][]float64, i int) float64 {
			return cs[0].Value + cs[1].Value*x[0][i] + cs[2].Value*x[1][i] + cs[3].Value*x[2][i]
		}
		x, _ := columns(p)
		got, _ := oddsOf(t, dir, "means+history+counts", p)
		for i := range got {
			if math.Abs(got[i]-sum(x, i)) > 1e-9 {
				t.Fatalf("period %d, sample %d: %v, the parts add up to %v", p, i, got[i], sum(x, i))
			}
		}
		var slope [4]float64
		for k, want := range []float64{0, 1, 0, 0} {
			slope[k] = 10 * (cs[k].Value - want)
		}
		for past := max(1, p-5); past < p; past++ {
			x, labels := columns(past)
			for i, yes := range labels {
				wrong := metric.Probability(sum(x, i))
				if yes {
					wrong--
				}
				slope[0] += wrong
				for k := range x {
					slope[k+1] += wrong * x[k][i]
				}
			}
		}
		for k, s := range slope {
			if math.Abs(s) > 1e-5 {
				t.Errorf("period %d: the loss over the past periods has slope %v in coefficient %d", p, s, k)
			}
		}
	}
}

// A recommender can be a part of a sum.
func TestRecommenderInASum(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[zero-shot]", "references=[counts+mf]", "periods.last=4")
	r := run(t, t.TempDir(), c, withBackend(in))
	if cs := find(t, r, "counts+mf", 4).Coefficients; len(cs) != 3 || cs[2].Part != "mf" || cs[2].Value == 0 {
		t.Errorf("coefficients %v", cs)
	}
}

// A sum can be the prior, on top of which adapters are trained.
func TestSumAsPrior(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[short+prior, lsat-stack+prior]", "references=[means]", "prior=counts+means")
	f := &fakeTrain{}
	in.Train = f.run
	r := run(t, t.TempDir(), c, in)
	for _, cell := range r.Cells {
		if cell.Strategy == "lsat-stack+prior" && (len(cell.Coefficients) < 2 || cell.Coefficients[1].Part != "prior" || cell.Coefficients[1].Value == 0) {
			t.Errorf("period %d: coefficients %v", cell.Period, cell.Coefficients)
		}
	}
	for _, d := range f.data {
		if d.Train[0].Targets[0].Offset == 0 {
			t.Error("a training sample has no offset")
		}
	}
}

func TestSumsAreChecked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "study.yaml")
	for _, set := range []string{"references: [means+nobody]", "references: [means+means]", "references: [means+]", "references: [means+mf-finetune]", "prior: counts+means-newest"} {
		if err := os.WriteFile(path, []byte(smallConfig+set+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var key *study.KeyError
		if _, err := study.Load(path, nil, nil); !errors.As(err, &key) {
			t.Errorf("%s: %v", set, err)
		}
	}
}
