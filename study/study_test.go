package study

import (
	"context"
	"testing"
)

func TestStudyRuns(t *testing.T) {
	c, in := small(t)
	dir := t.TempDir()
	in.Events = func(e Event) {
		if e.Text != "" {
			t.Logf("%.0f/%.0f (%.0f) %s", e.Work, e.TotalWork, e.Reused, e.Text)
		}
	}
	if err := Run(context.Background(), dir, c, in); err != nil {
		t.Fatal(err)
	}
	r, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Comparisons {
		t.Logf("%+v", c)
	}
}
