package period_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lsat/dataset"
	"lsat/period"
)

func openML1M(tb testing.TB) *dataset.Set {
	tb.Helper()
	path := filepath.Join("..", "..", "shared", "data", "ml-1m")
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("the published data set is not here: %v", err)
	}
	set, err := dataset.Open(context.Background(), path, dataset.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// TestML1MProtocol checks the paper's cut of ML-1M against the counts and boundaries published with the data.
func TestML1MProtocol(t *testing.T) {
	set := openML1M(t)
	if len(set.Interactions) != 1_000_209 || len(set.Users) != 6040 || len(set.Items) != 3706 {
		t.Fatalf("%s: not the published sizes", set.Summary())
	}
	s, err := period.New(set, period.Options{Newest: 200_000})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Samples) != 200_000 || len(s.Periods) != 20 {
		t.Fatalf("%d samples in %d periods, want 200000 in 20", len(s.Samples), len(s.Periods))
	}
	for i, p := range s.Periods {
		if p.All.Len() != 10_000 || p.Train.Len() != 9_000 || p.Valid.Len() != 1_000 {
			t.Errorf("period %d: %d samples, %d to train on, %d to validate; want 10000, 9000, 1000", i, p.All.Len(), p.Train.Len(), p.Valid.Len())
		}
	}
	for _, want := range []struct {
		period int
		start  string
	}{{1, "2000-12-03 01:44:24"}, {10, "2000-12-29 20:45:29"}, {19, "2002-08-14 21:20:59"}} {
		if got := clock(s.Periods[want.period].Start); got != want.start {
			t.Errorf("period %d starts %s, want %s", want.period, got, want.start)
		}
	}
	if got := clock(s.Periods[19].End); got != "2003-02-28 17:49:50" {
		t.Errorf("the last sample is of %s, want 2003-02-28 17:49:50", got)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	report, err := s.Audit(context.Background())
	if err != nil {
		t.Error(err)
	}
	t.Log(report)
}

func clock(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04:05") }

func BenchmarkPrepareML1M(b *testing.B) {
	openML1M(b)
	for b.Loop() {
		if _, err := period.New(openML1M(b), period.Options{Newest: 200_000}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHash200k(b *testing.B) {
	s, err := period.New(openML1M(b), period.Options{Newest: 200_000})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.HashRange(period.Range{Lo: 0, Hi: 200_000})
	}
}
