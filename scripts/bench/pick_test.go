package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lsat/backbone"
	"lsat/prompt"
)

// drawnPrompts are sequences of 20 to 219 tokens.
func drawnPrompts(n int) []prompt.Sequence {
	rng := rand.New(rand.NewPCG(5, 5))
	out := make([]prompt.Sequence, n)
	for i := range out {
		out[i] = prompt.Sequence{Tokens: make([]int32, 20+rng.IntN(200)), Targets: make([]prompt.Target, 1+i%3)}
	}
	return out
}

func distinct(picked []int) bool {
	s := slices.Sorted(slices.Values(picked))
	return len(slices.Compact(s)) == len(picked)
}

// Neighbours are a stretch of the prompts in the order of their tokens, going round at the end, another one in every round.
func TestPickNeighbours(t *testing.T) {
	seqs := drawnPrompts(50)
	for i := range seqs {
		seqs[i].Tokens[0], seqs[i].Tokens[1] = int32(i%7), int32(i)
	}
	rank := func(i int) int { // in the order of tokens: by i%7, then by i
		n := 0
		for j := range seqs {
			if j%7 < i%7 || j%7 == i%7 && j < i {
				n++
			}
		}
		return n
	}
	var before []int
	for round := range 20 {
		picked := pickNeighbours(seqs, round, 12)
		if len(picked) != 12 || !distinct(picked) {
			t.Fatalf("round %d: picked %v, want 12 different ones", round, picked)
		}
		for k := 1; k < len(picked); k++ {
			if rank(picked[k]) != (rank(picked[k-1])+1)%len(seqs) {
				t.Errorf("round %d: %d and %d are not neighbours", round, picked[k-1], picked[k])
			}
		}
		if slices.Equal(picked, before) {
			t.Errorf("round %d has the samples of the round before", round)
		}
		before = picked
	}
	if got := pickNeighbours(seqs, 3, 80); len(got) != 50 || !distinct(got) {
		t.Errorf("%d of 50 prompts where 80 are asked for", len(got))
	}
}

// A round's samples come in chunks of neighbours by length, from short to long ones, each once; other ones in the next round, and in the end all.
func TestPickSamples(t *testing.T) {
	const n, want = 480, 60 // 30 chunks, of which a round has 4
	seqs := drawnPrompts(n)
	length := func(i int) int { return len(seqs[i].Tokens) }
	seen := map[int]bool{}
	var before []int
	for round := range 30 {
		picked := pickSamples(seqs, round, want)
		if len(picked) != 4*chunk || !distinct(picked) {
			t.Fatalf("round %d: %d samples, want %d different ones", round, len(picked), 4*chunk)
		}
		for k := 0; k < len(picked); k += chunk {
			lo, hi := length(picked[k]), length(picked[k+chunk-1])
			if hi-lo > 30 {
				t.Errorf("round %d: a chunk has lengths from %d to %d", round, lo, hi)
			}
			if quarter := k / chunk; lo < 20+50*quarter-20 || hi > 20+50*(quarter+1)+20 {
				t.Errorf("round %d: chunk %d of 4 has lengths from %d to %d", round, quarter, lo, hi)
			}
		}
		if !slices.Equal(picked, pickSamples(seqs, round, want)) {
			t.Errorf("round %d: other samples the second time", round)
		}
		if slices.Equal(picked, before) {
			t.Errorf("round %d has the samples of the round before", round)
		}
		before = picked
		for _, i := range picked {
			seen[i] = true
		}
	}
	if len(seen) < n*9/10 {
		t.Errorf("30 rounds meet %d of %d samples", len(seen), n)
	}
}

func TestPickSamplesOfFew(t *testing.T) {
	for _, c := range []struct{ have, ask, want int }{{0, 5, 0}, {1, 5, 1}, {chunk - 1, 1, chunk - 1}, {chunk + 1, 5, chunk}, {3 * chunk, 1000, 3 * chunk}} {
		if got := pickSamples(drawnPrompts(c.have), 3, c.ask); len(got) != c.want || !distinct(got) {
			t.Errorf("%d of %d: got %v, want %d of them", c.ask, c.have, got, c.want)
		}
	}
}

// Rounds go through the whole pool in turn before they begin again.
func TestPickTokens(t *testing.T) {
	seqs := drawnPrompts(200)
	total := 0
	for _, q := range seqs {
		total += len(q.Tokens)
	}
	const share = 2400
	rounds := total / share
	times := map[int]int{}
	for round := range rounds {
		picked := pickTokens(seqs, round, share)
		tokens := 0
		for _, i := range picked {
			tokens += len(seqs[i].Tokens)
			times[i]++
		}
		if tokens > share || tokens < share-219 || !distinct(picked) {
			t.Errorf("round %d: %d tokens, want %d or a sequence less", round, tokens, share)
		}
		if !slices.Equal(picked, pickTokens(seqs, round, share)) {
			t.Errorf("round %d: other sequences the second time", round)
		}
	}
	if len(times) < 200*8/10 {
		t.Errorf("%d rounds meet %d of 200 sequences", rounds, len(times))
	}
	for i, n := range times {
		if n > 2 {
			t.Errorf("sequence %d is met %d times before others are", i, n)
		}
	}
}

func TestPickTokensOfFew(t *testing.T) {
	if got := pickTokens(nil, 2, 100); len(got) != 0 {
		t.Errorf("%v of nothing", got)
	}
	seqs := drawnPrompts(3)
	if got := pickTokens(seqs, 7, 1<<20); len(got) != 3 || !distinct(got) {
		t.Errorf("%v, want all three", got)
	}
	if got := pickTokens(seqs, 0, 1); len(got) != 1 {
		t.Errorf("%v, want the one sequence that is longer than what was asked for", got)
	}
}

func TestSizeOf(t *testing.T) {
	// Products of a layer for a token: q 8x8, k and v 4x8, o 8x8, three of 8x16; two of 8 for each pair of a token and one that it sees.
	c := backbone.Config{Layers: 3, Hidden: 8, Heads: 2, KVHeads: 1, HeadDim: 4, FFN: 16}
	seqs := []prompt.Sequence{{Tokens: make([]int32, 5), Targets: make([]prompt.Target, 2)}, {Tokens: make([]int32, 99)}, {Tokens: make([]int32, 2), Targets: make([]prompt.Target, 1)}}
	got := sizeOf(c, seqs, []int{0, 2}, false)
	linear, pairs := float64(64+2*32+64+3*128), 15.+3
	want := size{Targets: 3, Tokens: 7, GFLOP: 2 * 3 * (linear*7 + 2*8*pairs) / 1e9}
	if got.Targets != want.Targets || got.Tokens != want.Tokens || math.Abs(got.GFLOP/want.GFLOP-1) > 1e-12 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// The two tokens begin the five, so that with what they share computed once they cost nothing.
	got, want.GFLOP = sizeOf(c, seqs, []int{0, 2}, true), 2*3*(linear*5+2*8*15)/1e9
	if got.Targets != want.Targets || got.Tokens != want.Tokens || math.Abs(got.GFLOP/want.GFLOP-1) > 1e-12 {
		t.Errorf("got %+v with beginnings computed once, want %+v", got, want)
	}
}
