package period_test

import (
	"context"
	"runtime"
	"testing"

	"lsat/dataset"
	"lsat/period"
)

// allocated is how many bytes f allocates.
func allocated(tb testing.TB, f func() error) uint64 {
	tb.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := f(); err != nil {
		tb.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestMemoryGrowsWithTheInteractions and not with what prompts show of them: a stream and its audit take some twenty bytes an interaction, however
// long histories are.
func TestMemoryGrowsWithTheInteractions(t *testing.T) {
	set := dataset.Generate(dataset.GenerateOptions{Users: 500, Items: 2000, Interactions: 200_000})
	n := uint64(len(set.Interactions))
	for _, o := range []period.Options{{History: 1}, {History: 10}, {History: 300}, {History: 300, StrictTime: true}} {
		o.MinHistory = 1
		var s *period.Stream
		took := allocated(t, func() (err error) {
			if s, err = period.New(set, o); err == nil {
				_, err = s.Audit(context.Background())
			}
			return err
		})
		if took > 20*n {
			t.Errorf("%+v: %.1f bytes an interaction", o, float64(took)/float64(n))
		}
		last := s.Periods[len(s.Periods)-1].All
		past := period.Range{Lo: 0, Hi: last.Lo}
		took = allocated(t, func() error { return s.AuditRanges([]period.Range{past}, nil, []period.Range{last}) })
		if took > n/100 {
			t.Errorf("%+v: an audit of a use takes %d bytes", o, took)
		}
	}
}
