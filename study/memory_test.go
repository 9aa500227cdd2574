package study

import (
	"context"
	"runtime"
	"testing"
)

// TestAuditTakesLittleMemory: many strategies that train on nearly everything take no more of it than one byte an interaction and what a few drawn
// samples need.
func TestAuditTakesLittleMemory(t *testing.T) {
	const n = 400_000
	s := drawnStream(t, n, 800, 20)
	c := Config{Data: Data{Path: "."}, Backbone: "none"}.withDefaults()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	report, err := Audit(context.Background(), c, s)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 4*n {
		t.Errorf("%.1f bytes an interaction", float64(took)/n)
	}
	if want := "leakage audit: 392000 samples in 20 periods with 3920000 history events: no leak"; len(report) < len(want) || report[:len(want)] != want {
		t.Errorf("the report says %q", report)
	}
}
