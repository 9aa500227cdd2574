package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lsat/internal/filelock"
	"lsat/prompt"
	"lsat/study"
)

// fails runs a command line that must fail with one line on stderr, after lines of progress at most, and returns that line.
func fails(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(args, &out, &errs)
	lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
	last := lines[len(lines)-1]
	if code != exitFailure || !strings.HasPrefix(last, "lsat: ") || out.Len() > 0 {
		t.Errorf("lsat %s: exit code %d, output %q, errors %q", strings.Join(args, " "), code, out.String(), errs.String())
	}
	if strings.Count(errs.String(), "lsat: ") != 1 {
		t.Errorf("lsat %s: more than one error line: %q", strings.Join(args, " "), errs.String())
	}
	return last
}

// ratings writes a data set of n events of ten users and a configuration that reads it, and returns the configuration's path.
func ratings(t *testing.T, n int, rating func(k int) int) string {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("userId,movieId,rating,timestamp\n")
	for k := range n {
		fmt.Fprintf(&b, "%d,%d,%d,%d\n", k%10, k%7, rating(k), 1000000+60*k)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("movies.csv", "movieId,title,genres\n0,A (1990),x\n1,B (1990),x\n2,C (1990),x\n3,D (1990),x\n4,E (1990),x\n5,F (1990),x\n6,G (1990),x\n")
	write("ratings.csv", b.String())
	return write("study.yaml", fmt.Sprintf("data: {path: %q}\nstream: {count: 4, history: 3}\nbackbone: ./no-such-model\nlong_periods: 2\nstrategies: [short, lsat-ensemble-2]\n", dir))
}

func alternating(k int) int { return 1 + 4*(k%3%2) }

func TestStudyRefusesBadInput(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	if got := fails(t, "study", "../../study/testdata/misspelt.bad.yml", "--out", out); !strings.Contains(got, `misspelt.bad.yml:3: stratgies: unknown key: did you mean "strategies"?`) {
		t.Errorf("misspelt key: %s", got)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a study with a misspelt key made a run directory")
	}
	if got := fails(t, "study", filepath.Join(t.TempDir(), "none.yaml")); !strings.Contains(got, "none.yaml") {
		t.Errorf("missing configuration: %s", got)
	}
	config := ratings(t, 2000, alternating)
	if got := fails(t, "study", config, "--out", out); !strings.Contains(got, "no-such-model") {
		t.Errorf("missing model: %s", got)
	}
	if got := fails(t, "study", config, "--out", out, "--device", "abacus", "--set", "backbone="+t.TempDir()); !strings.Contains(got, "abacus") {
		t.Errorf("unknown device: %s", got)
	}
	if got := fails(t, "study", config, "--out", out, "--set", "data.path=/no/such/ratings"); !strings.Contains(got, "/no/such/ratings") {
		t.Errorf("missing ratings: %s", got)
	}
	// Whatever the data lack is said before any model is opened.
	if got := fails(t, "study", ratings(t, 2000, func(int) int { return 5 }), "--out", out); !strings.Contains(got, "validation part of period 1") {
		t.Errorf("one class only: %s", got)
	}
	if got := fails(t, "study", ratings(t, 32, alternating), "--out", out); !strings.Contains(got, "2 samples do not fill 4 periods") {
		t.Errorf("an empty period: %s", got)
	}
}

func TestStudyOnALockedRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	l, err := filelock.TryLock(filepath.Join(out, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	config := ratings(t, 2000, alternating)
	if got := fails(t, "study", config, "--out", out); !strings.Contains(got, "another lsat works in "+out) {
		t.Errorf("locked: %s", got)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if got := fails(t, "study", config, "--out", out); strings.Contains(got, "another lsat") {
		t.Errorf("after the lock is gone: %s", got)
	}
}

func TestReportOfNoRun(t *testing.T) {
	dir := t.TempDir()
	if got := fails(t, "report", dir); !strings.Contains(got, dir) {
		t.Error(got)
	}
}

func TestStudyLines(t *testing.T) {
	var b bytes.Buffer
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	v := &studyLines{w: &b, every: 30 * time.Second, clock: workClock{now: func() time.Time { return now }}}
	v.event(study.Event{TotalWork: 1000})
	v.event(study.Event{Text: "a fact", TotalWork: 1000})
	now = now.Add(time.Hour) // a reference, which is none of the work
	v.event(study.Event{Text: "another", TotalWork: 1000})
	now = now.Add(10 * time.Second)
	v.event(study.Event{Task: "scoring", Done: 5, Total: 10, Work: 500, Reused: 400, TotalWork: 1000}) // 100 units in 10 s
	now = now.Add(30 * time.Second)
	// 100 units took 40 s, the 400 that were found took none; 500 are left.
	v.event(study.Event{Task: "scoring", Done: 5, Total: 10, Work: 500, Reused: 400, TotalWork: 1000})
	want := "03:04:05 a fact\n04:04:05 another\n04:04:15 50%, scoring: 5 of 10, 50s left\n04:04:45 50%, scoring: 5 of 10, 3m20s left\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestFitting(t *testing.T) {
	for _, c := range []struct {
		template           string
		asked, model, want int
	}{
		{"stream", 0, 512, 512}, {"stream", 0, 8192, 0}, {"tallrec", 0, 512, 0}, {"tallrec", 0, 256, 256}, {"stream", 300, 512, 300}, {"stream", 700, 0, 700},
	} {
		p, err := fitting(prompt.Config{Template: c.template, MaxTokens: c.asked}, c.model)
		if err != nil || p.MaxTokens != c.want {
			t.Errorf("%+v: %d, %v", c, p.MaxTokens, err)
		}
	}
	if _, err := fitting(prompt.Config{MaxTokens: 600}, 512); err == nil || !strings.Contains(err.Error(), "prompt.max_tokens: 600") {
		t.Errorf("600 of 512 tokens: %v", err)
	}
}
