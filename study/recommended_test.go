package study_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute"

	"lsat/device"
	"lsat/study"
)

// withBackend lets a study's recommenders compute on the Go backend, which is always there.
func withBackend(in study.Inputs) study.Inputs {
	in.Backend = func() (compute.Backend, error) {
		b, _, _, err := device.Open(device.Go)
		return b, err
	}
	return in
}

// scoreFiles gives when each score file was written that is not of an adapter of the study: there are none of those without strategies to train.
func scoreFiles(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "scores", "*", "0000.f64"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]time.Time{}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		out[p] = info.ModTime()
	}
	return out
}

// A recommender is a reference like others, retrained and fine-tuned; fine-tuning starts from the full training of the first update and goes its own way from
// there. What has been trained and scored is not trained again.
func TestRecommendersAreReferences(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[zero-shot]", "references=[means, mf, mf-finetune]")
	in = withBackend(in)
	dir := t.TempDir()
	r := run(t, dir, c, in)
	auc := map[string]map[int]float64{}
	for _, cell := range r.Cells {
		if auc[cell.Strategy] == nil {
			auc[cell.Strategy] = map[int]float64{}
		}
		auc[cell.Strategy][cell.Period] = cell.AUC.Value
		if cell.Reference != (cell.Strategy != "zero-shot") {
			t.Errorf("%s is a reference: %v", cell.Strategy, cell.Reference)
		}
	}
	full, tuned := auc["mf"], auc["mf-finetune"]
	if len(full) != 3 || len(tuned) != 3 {
		t.Fatalf("mf has %d periods and mf-finetune %d, want 3", len(full), len(tuned))
	}
	if full[3] != tuned[3] {
		t.Errorf("at the first update, mf has %v and mf-finetune %v: both are trained on all before it", full[3], tuned[3])
	}
	if full[4] == tuned[4] && full[5] == tuned[5] {
		t.Error("fine-tuning is retraining")
	}
	before := scoreFiles(t, dir)
	again := run(t, dir, c, in)
	after := scoreFiles(t, dir)
	if len(after) != len(before) || len(before) < 6 {
		t.Errorf("%d score files, and %d after the second run: want one for each of 2 references and 3 periods, and those of zero-shot", len(before), len(after))
	}
	for path, at := range before {
		if !after[path].Equal(at) {
			t.Errorf("%s is written again", path)
		}
	}
	for i := range r.Cells {
		if r.Cells[i].AUC != again.Cells[i].AUC {
			t.Errorf("%s on period %d has another AUC in the second run", r.Cells[i].Strategy, r.Cells[i].Period)
		}
	}
	text := tables(t, dir)
	for _, name := range []string{"mf,", "mf-finetune,"} {
		if !strings.Contains(text, name) {
			t.Errorf("the report does not show %s", name)
		}
	}
}

// A recommender can be the prior that a stack adds to.
func TestRecommenderAsPrior(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[lsat-stack]", "references=[mf]", "prior=mf")
	r := run(t, t.TempDir(), c, withBackend(in))
	for _, cell := range r.Cells {
		if cell.Strategy == "lsat-stack" && (len(cell.Coefficients) < 2 || cell.Coefficients[1].Part != "prior" || cell.Coefficients[1].Value == 0) {
			t.Errorf("period %d: coefficients %v", cell.Period, cell.Coefficients)
		}
	}
}

func TestRecommendersWantABackendAndAName(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[zero-shot]", "references=[mf]")
	if err := study.Run(t.Context(), t.TempDir(), c, in); err == nil || !strings.Contains(err.Error(), "backend") {
		t.Errorf("without a backend: %v", err)
	}
	refused(t, "references: [sasrc]", "references: [mf-newest]", "references: [means-finetune]", "prior: mf-finetune", "prior: nobody")
}
