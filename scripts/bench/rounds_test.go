package main

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fake is a command that runs the test's own program as a worker of a kind.
func fake(kind string) func(options) []string {
	return func(o options) []string { return []string{o.self, kind} }
}

// fakeBench is a benchmark of the given contestants, all in the group score, in a directory.
func fakeBench(t *testing.T, dir string, rounds int, list ...contestant) *bench {
	t.Helper()
	t.Setenv("BENCH_FAKE_WORKER", "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := contestants
	t.Cleanup(func() { contestants = before })
	contestants = nil
	for _, c := range list {
		c.group = scoreGroup
		if c.prompts == "" {
			c.prompts = tallrecTrain
		}
		contestants = append(contestants, c)
	}
	s, _, err := resume(dir, "key")
	if err != nil {
		t.Fatal(err)
	}
	return &bench{options: options{rounds: rounds, seconds: 1, compile: true, out: dir, self: self}, state: s, log: os.Stderr, began: time.Now(),
		files: map[string]*file{tallrecTrain: {Sequences: drawnPrompts(8 * chunk)}}}
}

// members are the contestants that each round of the group score has, in the order of the contestants.
func members(s *state) []string {
	var out []string
	for _, r := range s.Rounds[scoreGroup] {
		var names []string
		for _, c := range contestants {
			if m, ok := r[c.name]; ok && m.Targets > 0 && m.Seconds > 0 {
				names = append(names, c.name)
			}
		}
		out = append(out, strings.Join(names, ", "))
	}
	return out
}

// A peer that cannot load, and one that dies in the middle, are told, and the rounds go on without them.
func TestRoundsGoOnWithoutAPeer(t *testing.T) {
	// The third is warmed up, compared and measured once before it dies.
	b := fakeBench(t, t.TempDir(), 3,
		contestant{name: "own", command: fake("")},
		contestant{name: "good", torch: true, sweeps: true, command: fake("sweeps")},
		contestant{name: "mortal", llama: true, command: fake("dies-4")},
		contestant{name: "unloadable", torch: true, sweeps: true, command: fake("refuses")},
		contestant{name: "other", torch: true, command: fake("apart")},
		contestant{name: "upper", adapters: 1, top: 18, command: fake("apart")})
	if err := b.runGroup(t.Context(), scoreGroup); err != nil {
		t.Fatal(err)
	}
	s, err := readState(b.options.out)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := members(s), []string{"own, good, mortal, other, upper", "own, good, other, upper", "own, good, other, upper"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the rounds are %q, want %q", got, want)
	}
	if len(s.Absent) != 2 || !strings.Contains(s.Absent["mortal"], "round 2: mortal ended before it answered") || !strings.Contains(s.Absent["unloadable"], "no such model") {
		t.Errorf("absent are %q", s.Absent)
	}
	// 16 samples in .8, .4, .2 and .21 seconds, and in .9 by 16, after which there is nothing to try.
	if w := s.Sweeps["good"]; w.Best != 4 || !reflect.DeepEqual(w.Tried, map[int]float64{1: 20, 2: 40, 4: 80, 8: 76.19, 16: 17.778}) {
		t.Errorf("the sweep found %+v", w)
	}
	if n := s.Samples[scoreGroup]; n != 80 { // what the fastest batches do in a second, in whole chunks
		t.Errorf("%d samples a round, want 80", n)
	}
	if want := map[string]float64{"good": 0, "mortal": 0, "other": .25}; !reflect.DeepEqual(s.Apart, want) {
		t.Errorf("apart are %v, want %v", s.Apart, want)
	}
	if s.Versions["good"] != "fake 1" {
		t.Errorf("versions are %v", s.Versions)
	}
}

// A benchmark that is cut in its third round keeps two, and the same command goes on with the third; with other rounds it would not be the same.
func TestRoundsGoOnAfterACut(t *testing.T) {
	dir := t.TempDir()
	peer := contestant{name: "peer", torch: true, command: fake("")}
	b := fakeBench(t, dir, 5, contestant{name: "own", command: fake("dies-5")}, peer)
	if err := b.runGroup(t.Context(), scoreGroup); err == nil || !strings.Contains(err.Error(), "round 3: own ended") {
		t.Fatalf("lsat itself died: %v", err)
	}
	cut, err := readState(dir)
	if err != nil || len(cut.Rounds[scoreGroup]) != 2 {
		t.Fatalf("%d rounds kept (%v), want 2", len(cut.Rounds[scoreGroup]), err)
	}
	b = fakeBench(t, dir, 5, contestant{name: "own", command: fake("")}, peer)
	if err := b.runGroup(t.Context(), scoreGroup); err != nil {
		t.Fatal(err)
	}
	s, err := readState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := members(s); len(got) != 5 || !reflect.DeepEqual(s.Rounds[scoreGroup][:2], cut.Rounds[scoreGroup]) {
		t.Errorf("the rounds are %q; the first two were %v", got, cut.Rounds[scoreGroup])
	}
	b = fakeBench(t, dir, 5, contestant{name: "own", command: fake("refuses")}, peer)
	if err := b.runGroup(t.Context(), scoreGroup); err != nil {
		t.Errorf("a group with all its rounds starts a worker: %v", err)
	}
}

// The third run of a sweep is the first one of batches of 2, slow once: they are timed again, and larger ones are tried.
func TestSweepOutlivesAHiccup(t *testing.T) {
	b := fakeBench(t, t.TempDir(), 1, contestant{name: "peer", torch: true, sweeps: true, command: fake("hiccups")})
	s, err := b.sweep(contestants[0])
	if want := map[int]float64{1: 20, 2: 40, 4: 80, 8: 76.19, 16: 17.778}; err != nil || s.Best != 4 || !reflect.DeepEqual(s.Tried, want) {
		t.Errorf("the sweep found %+v (%v), want 4 as the best of %v", s, err, want)
	}
}

// A size that fails ends the search, and a peer whose every run fails has no rounds, with its own words for it.
func TestSweepEndsAtASizeThatFails(t *testing.T) {
	b := fakeBench(t, t.TempDir(), 2, contestant{name: "own", command: fake("")}, contestant{name: "narrow", torch: true, sweeps: true, command: fake("narrow")},
		contestant{name: "idle", torch: true, sweeps: true, command: fake("idle")})
	b.options.compile = false
	if err := b.runGroup(t.Context(), scoreGroup); err != nil {
		t.Fatal(err)
	}
	if s := b.state.Sweeps["narrow"]; s.Best != 4 || !reflect.DeepEqual(s.Tried, map[int]float64{1: 20, 2: 40, 4: 80}) || tooLarge(s) != "; not 8: narrow: run: out of luck" {
		t.Errorf("the sweep found %+v", s)
	}
	if got, want := members(b.state), []string{"own, narrow", "own, narrow"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the rounds are %q, want %q", got, want)
	}
	if why := b.state.Absent["idle"]; why != "idle: run: out of luck" {
		t.Errorf("idle is absent: %q", why)
	}
}

// A peer that does not come back after a size that failed is absent, like one that never came.
func TestSweepWithoutASecondProcess(t *testing.T) {
	starts := 0
	once := func(o options) []string {
		if starts++; starts > 1 {
			return fake("refuses")(o)
		}
		return fake("narrow")(o)
	}
	b := fakeBench(t, t.TempDir(), 1, contestant{name: "peer", torch: true, sweeps: true, command: once})
	if s, err := b.sweep(contestants[0]); err == nil || !strings.Contains(err.Error(), "no such model") {
		t.Errorf("the sweep found %+v (%v), want the second load's error", s, err)
	}
}

// torch.compile is used where it is faster, beyond what may be chance, and nowhere else.
func TestCompileMustHelp(t *testing.T) {
	b := fakeBench(t, t.TempDir(), 1,
		contestant{name: "own", command: fake("")},
		contestant{name: "helped", torch: true, sweeps: true, command: fake("compiles")},
		contestant{name: "hardly", torch: true, sweeps: true, command: fake("compiles-ill")},
		contestant{name: "failing", torch: true, sweeps: true, command: fake("sweeps")})
	if err := b.runGroup(t.Context(), scoreGroup); err != nil {
		t.Fatal(err)
	}
	if got := members(b.state); !reflect.DeepEqual(got, []string{"own, helped, hardly, failing"}) {
		t.Errorf("the rounds are %q", got)
	}
	for name, want := range map[string]struct {
		rate, seconds float64
		used          bool
		text          string
	}{
		"helped":  {100, .16, true, "; with torch.compile, which is used, 100"},
		"hardly":  {81.6, .2, false, "; with torch.compile, which is not used, 81.6"},
		"failing": {0, .2, false, "; torch.compile fails: failing: load: no compiler"},
	} {
		s := b.state.Sweeps[name]
		if s.Best != 4 || s.Compiled != want.rate || s.compile() != want.used || compiledText(s) != want.text {
			t.Errorf("%s: %+v, used %v, %q", name, s, s.compile(), compiledText(s))
		}
		if m := b.state.Rounds[scoreGroup][0][name]; m.Seconds != want.seconds {
			t.Errorf("%s works %v seconds, want %v", name, m.Seconds, want.seconds)
		}
	}
	if n := b.state.Samples[scoreGroup]; n != 96 { // what the faster way does in a second, in whole chunks
		t.Errorf("%d samples a round, want 96", n)
	}
}

func TestStopping(t *testing.T) {
	b := fakeBench(t, t.TempDir(), 2, contestant{name: "own", command: fake("")})
	b.options.stopAfter, b.began = time.Nanosecond, time.Now().Add(-time.Second)
	if err := b.runGroup(t.Context(), scoreGroup); !errors.Is(err, errStopped) {
		t.Errorf("after its time: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.absent(ctx, contestant{name: "peer", torch: true}, errors.New("killed with it")); !errors.Is(err, context.Canceled) || len(b.state.Absent) > 0 {
		t.Errorf("a worker that ends with the benchmark: %v, absent %v", err, b.state.Absent)
	}
}

// Rounds of another program, machine or model are set aside, not mixed in and not lost.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	s, aside, err := resume(dir, "one")
	if err != nil || aside != "" || s.Key != "one" || len(s.Rounds) > 0 {
		t.Fatalf("nothing to resume: %+v, %q, %v", s, aside, err)
	}
	s.Rounds[scoreGroup] = []round{{"own": {Seconds: 2}}}
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	again, aside, err := resume(dir, "one")
	if err != nil || aside != "" || !reflect.DeepEqual(again.Rounds, s.Rounds) {
		t.Errorf("the same key: %+v, %q, %v", again, aside, err)
	}
	names := map[string]bool{}
	for _, key := range []string{"two", "three"} {
		next, aside, err := resume(dir, key)
		if err != nil || aside == "" || names[aside] || next.Key != key || len(next.Rounds) > 0 {
			t.Fatalf("%s: %+v, %q, %v", key, next, aside, err)
		}
		names[aside] = true
		if _, err := os.Stat(aside); err != nil {
			t.Error(err)
		}
		if err := next.save(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(s.path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := resume(dir, "three"); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestKeyOf(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := dir + "/" + name
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	o := options{self: put("one", "program"), python: dir + "/python", server: dir + "/server", seconds: 20}
	key := func(o options, data, model string) string {
		k, err := keyOf(o, data, model)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := key(o, "data", "model")
	same := o
	same.self, same.rounds, same.only = put("two", "program"), 9, "3"
	if key(same, "data", "model") != first {
		t.Error("the same program with more rounds has another key")
	}
	longer, changed := o, o
	longer.seconds = 21
	changed.self = put("three", "Program")
	keys := map[string]bool{first: true, key(longer, "data", "model"): true, key(changed, "data", "model"): true, key(o, "other", "model"): true, key(o, "data", "other"): true}
	put("python", "")
	keys[key(o, "data", "model")] = true
	if len(keys) != 6 {
		t.Errorf("%d keys of 6 benchmarks", len(keys))
	}
	o.self = dir + "/absent"
	if _, err := keyOf(o, "data", "model"); err == nil {
		t.Error("a program that is not there has a key")
	}
}
