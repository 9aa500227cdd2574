package baseline

import (
	"os"
	"testing"

	"lsat/dataset"
	"lsat/metric"
	"lsat/period"
)

// ml1m is the stream on which the references are known, or a skip that is seen.
func ml1m(t *testing.T) *period.Stream {
	t.Helper()
	const dir = "../../shared/data/ml-1m"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("ML-1M is not there: %v", err)
	}
	set, err := dataset.Open(t.Context(), dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := period.New(set, period.Options{Newest: 200000})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func span(lo, hi int) []int {
	out := make([]int, 0, hi-lo)
	for i := lo; i < hi; i++ {
		out = append(out, i)
	}
	return out
}

// aucOf is the AUC of scores of samples.
func aucOf(t *testing.T, s *period.Stream, samples []int, scores []float64) float64 {
	t.Helper()
	labels := make([]bool, len(samples))
	for k, i := range samples {
		labels[k] = s.Samples[i].Label
	}
	auc, err := metric.AUC(scores, labels)
	if err != nil {
		t.Fatal(err)
	}
	return auc
}

// heldOut fits on samples and gives the AUC on others.
func heldOut(t *testing.T, s *period.Stream, b Baseline, train, test []int) float64 {
	t.Helper()
	model, err := b.Fit(s, train)
	if err != nil {
		t.Fatal(err)
	}
	scores, err := model.Score(s, test)
	if err != nil {
		t.Fatal(err)
	}
	return aucOf(t, s, test, scores)
}

// meanAUC is the mean AUC over test periods lo to hi-1, fitted on all periods before the tested one and on the last of them alone.
func meanAUC(t *testing.T, s *period.Stream, b Baseline, lo, hi int) (all, newest float64) {
	t.Helper()
	for at := lo; at < hi; at++ {
		test := span(s.Periods[at].All.Lo, s.Periods[at].All.Hi)
		all += heldOut(t, s, b, span(0, s.Periods[at].All.Lo), test) / float64(hi-lo)
		newest += heldOut(t, s, b, span(s.Periods[at-1].All.Lo, s.Periods[at].All.Lo), test) / float64(hi-lo)
	}
	return all, newest
}
