package study_test

import (
	"math"
	"testing"

	"lsat/study"
)

// All that takes time is in the plan: work never goes back, every task advances it when it is first done (later its scores are there), and at the end all
// of it is done.
func TestEveryTaskIsPlanned(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[no-update, short, finetune, lsat-fusion, lsat-ensemble-3, lsat-ensemble-served, lsat-stack, short+prior, "+
		"long+prior, finetune+prior, lsat-ensemble-served+prior, lsat-stack-gated+prior]", "prior=means")
	var last study.Event
	began, done := map[string]float64{}, map[string]bool{}
	tasks := 0
	in.Events = func(e study.Event) {
		if e.Work < last.Work-1e-9 || e.Work > e.TotalWork+1e-9 {
			t.Errorf("%q: work %v of %v after %v", e.Task, e.Work, e.TotalWork, last.Work)
		}
		last = e
		switch _, ok := began[e.Task]; {
		case e.Task == "":
		case !ok:
			began[e.Task] = e.Work
		case e.Done > 0 && e.Done == e.Total && !done[e.Task]:
			tasks++
			done[e.Task] = true
			if e.Work <= began[e.Task] {
				t.Errorf("%q has done %d of %d, and the work is what it was", e.Task, e.Done, e.Total)
			}
		}
	}
	run(t, t.TempDir(), c, in)
	if math.Abs(last.Work-last.TotalWork) > 1e-6 || last.TotalWork == 0 {
		t.Errorf("at the end %v of %v is done", last.Work, last.TotalWork)
	}
	// Past periods are planned once, however many steps look back on them. What is found here is a fused adapter that is one of its parts.
	if last.Reused > .03*last.TotalWork {
		t.Errorf("of a fresh run, %v of %v counts as found", last.Reused, last.TotalWork)
	}
	if tasks == 0 {
		t.Error("no task was seen to its end")
	}
}
