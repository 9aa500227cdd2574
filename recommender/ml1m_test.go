package recommender

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"lsat/dataset"
	"lsat/metric"
	"lsat/period"
)

var (
	measure   = flag.String("measure", "", "recommenders to measure on ML-1M, with commas between them")
	firstTest = flag.Int("first", 10, "first test period to measure")
	lastTest  = flag.Int("last", 19, "last test period to measure")
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

// TestML1MMeasure measures what the flags name: go test ./recommender -run ML1MMeasure -v -args -measure mf,sasrec -first 10 -last 19.
func TestML1MMeasure(t *testing.T) {
	if *measure == "" {
		t.Skip("nothing is named by -measure")
	}
	s := ml1m(t)
	b := backends(t)["xla:cpu"]
	if b == nil {
		t.Skip("no XLA")
	}
	for name := range strings.SplitSeq(*measure, ",") {
		r, err := New(name, b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var mean float64
		for at := *firstTest; at <= *lastTest; at++ {
			p := s.Periods[at-1]
			began := time.Now()
			m, err := r.Fit(t.Context(), s, Parts{Train: span(0, p.Train.Hi), Valid: span(p.Valid.Lo, p.Valid.Hi)})
			if err != nil {
				t.Fatal(err)
			}
			test := span(s.Periods[at].All.Lo, s.Periods[at].All.Hi)
			scores, err := m.Score(s, test)
			if err != nil {
				t.Fatal(err)
			}
			auc := aucOf(t, s, test, scores)
			mean += auc / float64(*lastTest-*firstTest+1)
			t.Logf("%s on D%d: AUC %.4f, best epoch %d, %.1f s", name, at, auc, m.Epochs, time.Since(began).Seconds())
		}
		t.Logf("%s on D%d to D%d: mean AUC %.4f", name, *firstTest, *lastTest, mean)
	}
}
