package study_test

import "testing"

// A sum of references adds up their log-odds with coefficients that are the optimum over what its parts served in the five periods before, with a
// penalty that draws them to the first part alone; nothing has been served before period 1.
func TestSumAddsUpWhatServedBefore(t *testing.T) {
	t.Parallel()
	c, in := small(t, "stream.count=9", "strategies=[zero-shot]", "references=[means, history, counts, means+history+counts]", "periods.first=1", "periods.last=8")
	dir := t.TempDir()
	r := run(t, dir, c, in)
	parts := []string{"means", "history", "counts"}
	for p := 1; p <= 8; p++ {
		cs := find(t, r, "means+history+counts", p).Coefficients
		if len(cs) != 4 || cs[0].Part != "intercept" || cs[1].Part != "means" || cs[2].Part != "history" || cs[3].Part != "counts" {
			t.Fatalf("coefficients %v", cs)
		}
		addsUp(t, dir, "means+history+counts", p, parts, cs)
		isOptimum(t, dir, p, parts, cs, max(1, p-5))
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
	refused(t, "references: [means+nobody]", "references: [means+means]", "references: [means+]", "references: [means+mf-finetune]", "prior: counts+means-newest")
}
