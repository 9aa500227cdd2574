package prompt

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"

	"lsat/dataset"
	"lsat/period"
)

// plain hides that a template can write single sequences.
type plain struct{ Template }

// A source gives, one by one and in any order, what the template writes at once.
func TestSourceGivesWhatTheTemplateWrites(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for round := range 40 {
		s := randomStream(t, rng, period.Options{History: 1 + rng.IntN(6), StrictTime: round%4 == 3})
		cfg := []Config{{Template: TallRec}, {TargetsPerSequence: 1 + rng.IntN(12), MaxTokens: 60 + rng.IntN(200)}, {Window: ptr(0)}}[round%3]
		tpl := must(t, cfg, &wordTokenizer{})
		samples := subset(rng, s)
		want, err := tpl.Sequences(s, samples)
		if err != nil {
			t.Fatal(err)
		}
		for _, tpl := range []Template{tpl, plain{tpl}} {
			src, err := SourceOf(tpl, s, samples)
			if err != nil || src.Len() != len(want) {
				t.Fatalf("%v, %d sequences, want %d", err, src.Len(), len(want))
			}
			for _, i := range rng.Perm(len(want)) {
				q, err := src.At(i)
				if err != nil || !reflect.DeepEqual(q, want[i]) || src.Targets(i) != len(q.Targets) || mustTokens(t, src, i) != len(q.Tokens) {
					t.Fatalf("sequence %d is %v (%v), want %v", i, q, err, want[i])
				}
			}
		}
	}
}

func mustTokens(t *testing.T, s Source, i int) int {
	t.Helper()
	n, err := s.Tokens(i)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Offsets are those of a target's sample, and those of the source below stay as they are.
func TestWithOffsets(t *testing.T) {
	below := List{{Targets: []Target{{Sample: 3}, {Sample: 5, Offset: 9}}}, {Targets: []Target{{Sample: 4}}}}
	src := WithOffsets(below, func(sample int32) float32 { return float32(sample) / 2 })
	for i := range src.Len() {
		q, err := src.At(i)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range q.Targets {
			if target.Offset != float32(target.Sample)/2 {
				t.Errorf("sample %d has the offset %v", target.Sample, target.Offset)
			}
		}
	}
	if below[0].Targets[0].Offset != 0 || below[0].Targets[1].Offset != 9 {
		t.Errorf("the source below has %v now", below[0].Targets)
	}
}

func TestSourceRefuses(t *testing.T) {
	s := makeStream(t, films, 1, fourThenOne, period.Options{History: 2, Count: 1})
	for _, name := range []string{TallRec, Stream} {
		tpl := must(t, Config{Template: name}, &wordTokenizer{})
		if _, err := SourceOf(tpl, s, []int{1, 0}); err == nil {
			t.Errorf("%s took samples out of order", name)
		}
		tpl = must(t, Config{Template: name, MaxTokens: 1}, &wordTokenizer{})
		src, err := SourceOf(tpl, s, []int{0})
		if err == nil {
			_, err = Read(src, 0, src.Len())
		}
		if !errors.Is(err, ErrTooLong) {
			t.Errorf("%s of one token: %v", name, err)
		}
	}
}

// TestSourceIsSmall: a source of long runs takes some five bytes a target, and a written sequence no more than what is in it.
func TestSourceIsSmall(t *testing.T) {
	set := dataset.Generate(dataset.GenerateOptions{Users: 500, Items: 2000, Interactions: 200_000})
	s, err := period.New(set, period.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tpl := must(t, Config{}, &wordTokenizer{})
	samples := all(s)
	first, err := tpl.Sequences(s, samples) // fills the cache of titles
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range first {
		if cap(q.Tokens) != len(q.Tokens) || cap(q.Steps) != len(q.Steps) || cap(q.Targets) != len(q.Targets) {
			t.Fatalf("%d tokens in room for %d, %d targets in room for %d", len(q.Tokens), cap(q.Tokens), len(q.Targets), cap(q.Targets))
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	src, err := SourceOf(tpl, s, samples)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if took := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / int64(len(samples)/100); took > 600 {
		t.Errorf("%d.%02d bytes a target", took/100, took%100)
	}
	if q, err := src.At(src.Len() - 1); err != nil || !reflect.DeepEqual(q, first[len(first)-1]) {
		t.Errorf("the last sequence is %v (%v)", q, err)
	}
}
