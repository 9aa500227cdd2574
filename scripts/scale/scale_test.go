package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

// TestMain lets the test's own program measure one size, as the command lets itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "--one" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestTable(t *testing.T) {
	o := options{interactions: 5000, seed: 7}
	all := []measurement{
		{Targets: 1000, Tokens: 8000, Device: "go", DType: "f32", Cores: 2, Train: .1, TrainCPU: .15, Score: .05, ScoreCPU: .06, TrainPeak: 100e6, ScorePeak: 80e6},
		{Targets: 4000, Tokens: 34000, Device: "go", DType: "f32", Cores: 2, Train: .5, TrainCPU: .6, Score: .1, ScoreCPU: .2, TrainPeak: 150e6, ScorePeak: 80e6},
	}
	var out strings.Builder
	if err := write(&out, o, all); err != nil {
		t.Fatal(err)
	}
	const want = `5000 generated ratings (seed 7); a generated Llama of 2 layers, 64 wide; ` + "`stream`" + `, one epoch, go, f32, 2 cores.

| targets | tokens a target | train, µs a target | ratio | CPU µs | ratio | score, µs a target | ratio | CPU µs | ratio | peak training, MB | ratio | peak scoring, MB | ratio |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| 1000 | 8.00 | 100.0 | 1.00 | 150.0 | 1.00 | 50.0 | 1.00 | 60.0 | 1.00 | 100 | 1.00 | 80 | 1.00 |
| 4000 | 8.50 | 125.0 | 1.25 | 150.0 | 1.00 | 25.0 | 0.50 | 50.0 | 0.83 | 150 | 1.50 | 80 | 1.00 |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// A size that was measured is found again by the same program with the same options only.
func TestKept(t *testing.T) {
	dir := t.TempDir()
	m := measurement{Targets: 30, Train: 2}
	if err := keep(dir, "a", m); err != nil {
		t.Fatal(err)
	}
	if got, err := kept(dir, "a", 30); err != nil || got != m {
		t.Errorf("found %v (%v), want %v", got, err, m)
	}
	for _, c := range []struct {
		key string
		n   int
	}{{"b", 30}, {"a", 31}} {
		if _, err := kept(dir, c.key, c.n); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v: %v, want none", c, err)
		}
	}
	if err := os.WriteFile(sizePath(dir, 30), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := kept(dir, "a", 30); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a damaged file: %v", err)
	}
	one := options{interactions: 10, seed: 1, device: "go"}
	other := one
	other.seed = 2
	k1, err1 := one.key()
	k2, err2 := other.key()
	if err1 != nil || err2 != nil || k1 == k2 {
		t.Errorf("keys %q and %q of two seeds (%v, %v)", k1, k2, err1, err2)
	}
}

// A tiny table from end to end, in processes of their own, twice: the second one is read back.
func TestSizes(t *testing.T) {
	args := []string{"--sizes", "400,200", "--interactions", "2000", "--warm", "100", "--device", "go", "--dir", t.TempDir()}
	var out [2]bytes.Buffer
	var said bytes.Buffer
	for k := range out {
		if err := run(context.Background(), args, &out[k], &said); err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
	}
	rows := strings.Split(strings.TrimSpace(out[0].String()), "\n")
	if len(rows) != 6 || !strings.HasPrefix(rows[4], "| 200 |") || !strings.HasPrefix(rows[5], "| 400 |") {
		t.Errorf("the table is\n%s", out[0].String())
	}
	if strings.Contains(out[0].String(), "| 0.0 |") || strings.Contains(out[0].String(), "NaN") {
		t.Errorf("something was not measured:\n%s", out[0].String())
	}
	if out[1].String() != out[0].String() || strings.Count(said.String(), "200 targets") != 1 {
		t.Errorf("the second table is\n%safter\n%s", out[1].String(), said.String())
	}
	if err := run(context.Background(), append(args, "--sizes", "20000"), &out[0], &said); err == nil || !strings.Contains(said.String(), "raise --interactions") {
		t.Errorf("more targets than there are ratings: %v\n%s", err, said.String())
	}
}

func TestBadUsage(t *testing.T) {
	for _, args := range [][]string{{"x"}, {"--sizes", "0"}, {"--sizes", "10,,20"}, {"--interactions", "0"}, {"--one", "-1"}, {"--warm", "0"}} {
		if _, err := parse(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
