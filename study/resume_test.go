//go:build unix

package study_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lsat/study"
)

// The studies that are interrupted have every kind of combination, two updates and a chain of fine-tuning.
var resumeSets = []string{"strategies=[finetune, lsat-fusion, lsat-ensemble-3]", "periods.last=4", "max_test_per_period=200"}

func uninterrupted(t *testing.T) string {
	t.Helper()
	c, in := small(t, resumeSets...)
	dir := t.TempDir()
	run(t, dir, c, in)
	return tables(t, dir)
}

// errKilled stands for the end of the process in the middle of things.
var errKilled = errors.New("killed")

// dieAt runs a study that dies, without any cleaning up of its own, at its n-th event. It says whether it died.
func dieAt(t *testing.T, dir string, n int) (died bool) {
	t.Helper()
	c, in := small(t, resumeSets...)
	in.Events = func(study.Event) {
		if n--; n < 0 {
			panic(errKilled)
		}
	}
	defer func() {
		if r := recover(); r != nil {
			if err, ok := r.(error); !ok || !errors.Is(err, errKilled) {
				panic(r)
			}
			died = true
		}
	}()
	if err := study.Run(context.Background(), dir, c, in); err != nil {
		t.Fatal(err)
	}
	return false
}

func TestDeathAtAnyEventLosesNothing(t *testing.T) {
	t.Parallel()
	want := uninterrupted(t)
	rng := rand.New(rand.NewPCG(3, 3))
	dir := t.TempDir()
	deaths := 0
	for n := 0; dieAt(t, dir, n); n += 1 + rng.IntN(15) { // each run gets a little further
		deaths++
	}
	if deaths < 10 {
		t.Errorf("only %d deaths", deaths)
	}
	if got := tables(t, dir); got != want {
		t.Errorf("after %d deaths results.csv is\n%s\nwant\n%s", deaths, got, want)
	}
}

func TestDeathThenOneResumption(t *testing.T) {
	t.Parallel()
	want := uninterrupted(t)
	for _, n := range []int{2, 9, 33, 57, 80, 121, 155, 190} {
		dir := t.TempDir()
		if !dieAt(t, dir, n) {
			t.Fatalf("the study has fewer than %d events", n)
		}
		c, in := small(t, resumeSets...)
		run(t, dir, c, in)
		if got := tables(t, dir); got != want {
			t.Errorf("after death at event %d results.csv differs", n)
		}
	}
}

func TestCancellationStopsAndResumes(t *testing.T) {
	t.Parallel()
	want := uninterrupted(t)
	dir := t.TempDir()
	for n := 1; ; n += 23 {
		ctx, cancel := context.WithCancel(context.Background())
		c, in := small(t, resumeSets...)
		left := n
		in.Events = func(study.Event) {
			if left--; left == 0 {
				cancel()
			}
		}
		err := study.Run(ctx, dir, c, in)
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if got := tables(t, dir); got != want {
		t.Error("results.csv differs after cancellations")
	}
}

// The same with package train's own jobs, which have checkpoints to resume from.
func TestDeathWithRealTraining(t *testing.T) {
	t.Parallel()
	sets := []string{"strategies=[finetune, lsat-ensemble-3]", "periods.last=4", "max_test_per_period=200",
		"hyper.long.learning_rate=0.05", "hyper.long.batch=32", "hyper.long.epochs=2", "hyper.long.eval_every=5"}
	attempt := func(dir string, n int) (err error) {
		c, in := small(t, sets...)
		in.Train = nil
		in.Events = func(study.Event) {
			if n--; n == 0 {
				panic(errKilled)
			}
		}
		defer func() {
			if r := recover(); r != nil {
				if err, ok := r.(error); !ok || !errors.Is(err, errKilled) {
					panic(r)
				}
				err = errKilled
			}
		}()
		return study.Run(context.Background(), dir, c, in)
	}
	whole := t.TempDir()
	if err := attempt(whole, -1); err != nil {
		t.Fatal(err)
	}
	r, err := study.Read(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range r.Cells {
		if cell.AUC.Value < .7 {
			t.Errorf("%s on %d learnt nothing: AUC %v", cell.Strategy, cell.Period, cell.AUC.Value)
		}
	}
	dir := t.TempDir()
	deaths := 0
	for n := 40; ; n += 31 {
		err := attempt(dir, n)
		if err == nil {
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		deaths++
	}
	if deaths == 0 {
		t.Error("nothing was interrupted")
	}
	if tables(t, dir) != tables(t, whole) {
		t.Errorf("results.csv differs after %d deaths", deaths)
	}
}

func TestFinishedStudyTrainsAndScoresNothing(t *testing.T) {
	t.Parallel()
	c, in := small(t, resumeSets...)
	dir := t.TempDir()
	run(t, dir, c, in)
	want := tables(t, dir)
	f, r := &fakeTrain{}, &fakeRunner{}
	in.Train, in.Runner = f.run, r
	run(t, dir, c, in)
	if f.fresh != 0 || r.calls != 0 {
		t.Errorf("%d jobs trained and %d scorings, want none", f.fresh, r.calls)
	}
	if got := tables(t, dir); got != want {
		t.Error("results.csv changed")
	}
}

func TestChangedConfigurationUsesWhatItCan(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[short, long]", "compare_to=short")
	dir := t.TempDir()
	run(t, dir, c, in)
	c, in = small(t, "strategies=[short, lsat-ensemble-3]", "periods.last=4")
	f := &fakeTrain{}
	in.Train = f.run
	r := run(t, dir, c, in)
	if f.fresh != 0 {
		t.Errorf("%d jobs trained although all are there", f.fresh)
	}
	fresh := t.TempDir()
	c, in = small(t, "strategies=[short, lsat-ensemble-3]", "periods.last=4")
	run(t, fresh, c, in)
	if tables(t, dir) != tables(t, fresh) {
		t.Error("the table in the old directory differs from that in a new one")
	}
	for _, cell := range r.Cells {
		if cell.Strategy == "long" || cell.Period > 4 {
			t.Errorf("%s on %d stayed", cell.Strategy, cell.Period)
		}
	}
	c, in = small(t, "strategies=[short, lsat-ensemble-3]", "periods.last=4", "hyper.update.epochs=2")
	f = &fakeTrain{}
	in.Train = f.run
	run(t, dir, c, in)
	if f.fresh != 2 {
		t.Errorf("%d jobs trained after the updates' hyper-parameters changed, want the two short-term ones", f.fresh)
	}
}

func TestDamagedScoresAreScoredAgain(t *testing.T) {
	t.Parallel()
	c, in := small(t, resumeSets...)
	dir := t.TempDir()
	run(t, dir, c, in)
	want := tables(t, dir)
	var files []string
	err := filepath.WalkDir(filepath.Join(dir, "scores"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 3 {
		t.Fatalf("%d score files, %v", len(files), err)
	}
	damage := []func(b []byte) []byte{
		func(b []byte) []byte { return b[:len(b)/2] },
		func(b []byte) []byte { b[len(b)/3] ^= 1; return b },
		func([]byte) []byte { return nil },
	}
	for k, d := range damage {
		b, err := os.ReadFile(files[k])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(files[k], d(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runner := &fakeRunner{}
	in.Runner = runner
	run(t, dir, c, in)
	if runner.calls != len(damage) {
		t.Errorf("%d scorings for %d damaged files", runner.calls, len(damage))
	}
	if got := tables(t, dir); got != want {
		t.Error("results.csv differs")
	}
}

// childEnv makes this test binary run the small study in the directory it names, telling a line of every event.
const (
	childEnv  = "LSAT_TEST_STUDY_DIR"
	limitEnv  = "LSAT_TEST_STUDY_FILE_LIMIT"
	childDone = "finished"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := child(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(childDone)
}

func child(dir string) error {
	if text := os.Getenv(limitEnv); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGXFSZ) // writing beyond the limit is then an error, as on a full disk
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	c, in := small(childTB{}, resumeSets...)
	in.Events = func(e study.Event) { fmt.Println("event", e.Done, e.Task, e.Text) }
	return study.Run(context.Background(), dir, c, in)
}

// childTB has what small asks of a test, outside of one.
type childTB struct{ testing.TB }

func (childTB) Helper() {}

func (childTB) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(3)
}

func (t childTB) TempDir() string {
	dir, err := os.MkdirTemp(os.Getenv(childEnv), "config")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, dir string, env ...string) (*exec.Cmd, *bufio.Scanner, *strings.Builder) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(append(os.Environ(), childEnv+"="+dir), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out), &stderr
}

func TestSIGKILLLosesNothing(t *testing.T) {
	t.Parallel()
	want := uninterrupted(t)
	dir := t.TempDir()
	kills := 0
	for n := 3; ; n += 17 {
		cmd, lines, stderr := start(t, dir)
		done := false
		for left := n; left > 0 && lines.Scan(); left-- {
			done = done || lines.Text() == childDone
		}
		if done {
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v: %s", err, stderr)
			}
			break
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it had written before it was killed
			done = done || lines.Text() == childDone
		}
		err := cmd.Wait()
		if done {
			break
		}
		if err == nil || stderr.Len() > 0 {
			t.Fatalf("the child was not killed: %v: %s", err, stderr)
		}
		kills++
		// Whatever is there can be read and reported.
		if _, err := study.Read(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, study.ErrNoResults) {
			t.Errorf("after kill %d: %v", kills, err)
		}
	}
	if kills < 5 {
		t.Errorf("only %d kills", kills)
	}
	c, in := small(t, resumeSets...)
	run(t, dir, c, in)
	if got := tables(t, dir); got != want {
		t.Errorf("results.csv differs after %d kills", kills)
	}
}

func TestFullDiskIsToldAndLosesNothing(t *testing.T) {
	t.Parallel()
	want := uninterrupted(t)
	for _, limit := range []int{3000, 40_000, 90_000} {
		dir := t.TempDir()
		cmd, lines, stderr := start(t, dir, limitEnv+"="+strconv.Itoa(limit))
		for lines.Scan() {
			if lines.Text() == childDone {
				t.Errorf("limit %d: the study finished", limit)
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Errorf("limit %d: exit code 0", limit)
		}
		text := strings.TrimSpace(stderr.String())
		if !strings.Contains(text, dir) || strings.Contains(text, "\n") || strings.Contains(text, "panic") {
			t.Errorf("limit %d: the child said %q, want one line that names the file", limit, text)
		}
		t.Logf("limit %d: %s", limit, text)
		c, in := small(t, resumeSets...)
		run(t, dir, c, in)
		if got := tables(t, dir); got != want {
			t.Errorf("limit %d: results.csv differs", limit)
		}
	}
}
