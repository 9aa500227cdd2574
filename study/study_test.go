package study

import (
	"context"
	"testing"
)

func TestStudyRuns(t *testing.T) {
	c, in := small(t)
	dir := "/tmp/studyout"
	if err := Run(context.Background(), dir, c, in); err != nil {
		t.Fatal(err)
	}
}
