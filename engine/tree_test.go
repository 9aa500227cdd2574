package engine

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"lsat/backbone"
	"lsat/prompt"
)

// branching are prompts that say the same for a while, as one user's do: a header, then a few titles that the prompts of a user begin with, then what is their own.
// The first is there twice, and one begins another.
func branching(users, each, vocab int, seed uint64) []prompt.Sequence {
	rng := rand.New(rand.NewPCG(seed, 5))
	words := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(rng.IntN(vocab))
		}
		return out
	}
	header := words(10)
	var out []prompt.Sequence
	for range users {
		user := words(40 + rng.IntN(30))
		for range each {
			s := prompt.Sequence{Header: len(header), Tokens: slices.Concat(header, user[:rng.IntN(len(user))], words(10+rng.IntN(20)))}
			s.Targets = []prompt.Target{{Position: int32(len(s.Tokens) - 1), Label: rng.IntN(2) == 1, Sample: int32(len(out))}}
			if rng.IntN(2) == 0 { // asks within what it may share
				s.Targets = append([]prompt.Target{{Position: int32(len(header) + rng.IntN(8)), Sample: int32(len(out))}}, s.Targets...)
			}
			out = append(out, s)
		}
	}
	beginning := out[1]
	beginning.Tokens = beginning.Tokens[:len(beginning.Tokens)-5]
	beginning.Targets = []prompt.Target{{Position: int32(len(beginning.Tokens) - 1), Label: true}}
	out = append(out, out[0], beginning)
	rng.Shuffle(len(out), func(a, b int) { out[a], out[b] = out[b], out[a] })
	return out
}

// What prompts begin with is computed once for all, and every score and gradient is what rows of whole prompts give.
func TestTreesChangeNothing(t *testing.T) {
	for name, b := range backends(t) {
		for _, family := range []string{"llama", "gemma3"} {
			t.Run(name+"/"+family, func(t *testing.T) {
				cfg := smallConfigs()[family]
				e := newEngine(t, randomModel(cfg, 5), b, Options{RowTokens: 128, BatchTokens: 512})
				seqs := branching(4, 6, cfg.Vocab, 1)
				listed := 0
				for _, b := range pack(seqs, e.packing(false, false)) {
					listed += b.band.Units
				}
				if listed == 0 {
					t.Fatal("no batch lists what its blocks look at")
				}
				rows := onRows(e)
				a, err := randomAdapter(e.AdapterShapes(), allModules(), 9)
				if err != nil {
					t.Fatal(err)
				}
				want := scoreAll(t, rows, seqs, a)
				sameScores(t, "rows", scoreAll(t, e, seqs, a), want)
				loss, grad := gradient(t, e, seqs, a)
				wantLoss, wantGrad := gradient(t, rows, seqs, a)
				sameGradient(t, "rows", loss, wantLoss, grad, wantGrad)

				top := topAdapter(t, e, cfg.Layers-1)
				wantLoss, wantGrad = gradient(t, rows, seqs, top)
				frozen := slices.Clone(seqs)
				file, err := e.Freeze(context.Background(), frozen, cfg.Layers-1, t.TempDir(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = file.Close() }()
				loss, grad = gradient(t, e, frozen, top)
				sameGradient(t, "rows, from kept states", loss, wantLoss, grad, wantGrad)
			})
		}
	}
}

// A tree's rows hold every token of every sequence in its place, and what neighbours begin with once.
func TestTreeLaysOutEveryToken(t *testing.T) {
	seqs := branching(6, 9, 1000, 2)
	for _, p := range []packing{
		{rowTokens: 128, batchTokens: 256, atOnce: 1, tree: true},
		{rowTokens: 128, batchTokens: 256, atOnce: 2, tree: true, wide: true, shrink: true, stretch: true},
		{rowTokens: 128, batchTokens: 8192, atOnce: 2, tree: true},
	} {
		seen, written, halves := make([]int, len(seqs)), 0, 0
		batches := pack(seqs, p)
		if len(batches) < p.atOnce {
			t.Errorf("%d batches for %d at once", len(batches), p.atOnce)
		}
		for _, b := range batches {
			used := map[int32]bool{}
			for _, path := range b.paths {
				seen[path.sequence]++
				var back []int32
				for k, at := range path.at {
					used[at] = true
					back = append(back, b.tokens[at])
					if b.positions[at] != int32(k) {
						t.Fatalf("token %d of a sequence has position %d", k, b.positions[at])
					}
				}
				if !slices.Equal(back, seqs[path.sequence].Tokens) || len(slices.Compact(slices.Sorted(slices.Values(path.at)))) != len(back) {
					t.Fatalf("sequence %d stands there as %v", path.sequence, back)
				}
			}
			halves += b.band.Short
			for _, path := range b.paths {
				listsAll(t, b, path.at)
			}
			written += len(used)
			for k, q := range b.places {
				if at, s := b.targets[k], seqs[q.sequence]; b.tokens[at] != s.Tokens[s.Targets[q.target].Position] {
					t.Errorf("target %d of sequence %d stands at another token", q.target, q.sequence)
				}
			}
		}
		if slices.ContainsFunc(seen, func(n int) bool { return n != 1 }) {
			t.Errorf("sequences stand there %v times, want once", seen)
		}
		if halves == 0 {
			t.Error("no row has a half with shorter lists")
		}
		if flat := totalTokens(seqs); written > flat*3/4 {
			t.Errorf("%d of %d tokens were written, though prompts share more than a quarter", written, flat)
		}
	}
}

// listsAll checks that a block's list has every unit, but for those of the header, that its tokens on a path look at.
func listsAll(t *testing.T, b *batch, path []int32) {
	t.Helper()
	if b.band.Units == 0 {
		return
	}
	for k, at := range path {
		block := int(at) / b.band.Block
		list := b.looks[block*b.band.Units:][:b.band.Units]
		if block < b.band.Short {
			list = list[:b.band.Few]
		}
		for _, q := range path[:k+1] {
			if int(q) >= b.band.Header && !slices.Contains(list, q/backbone.UnitTokens) {
				t.Fatalf("block %d lists %v, and not the unit of token %d", block, list, q)
			}
		}
	}
}

// The order in which prompts come decides nothing: neighbours are found anyway.
func TestTreeDoesNotDependOnOrder(t *testing.T) {
	cfg := smallConfigs()["llama"]
	e := newEngine(t, randomModel(cfg, 5), backends(t)["go"], Options{RowTokens: 128, BatchTokens: 256})
	seqs := branching(5, 5, cfg.Vocab, 3)
	turned := slices.Clone(seqs)
	slices.Reverse(turned)
	want, err := e.Score(context.Background(), seqs, answers, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Score(context.Background(), turned, answers, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(got)
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Fatalf("sequence %d has log-odds %v, the other way round %v", i, want[i], got[i])
		}
	}
}

// Families hold every sequence once, those that begin alike together, and none is too large for a row; what has a window is alone.
func TestFamilies(t *testing.T) {
	e := newEngine(t, randomModel(smallConfigs()["llama"], 5), backends(t)["go"], Options{RowTokens: 128, BatchTokens: 256})
	seqs := branching(6, 9, 1000, 2)
	seen := make([]int, len(seqs))
	alone := 0
	for _, family := range e.Families(seqs) {
		written := 0
		for k, i := range family {
			seen[i]++
			written += len(seqs[i].Tokens) - seqs[i].Header
			if k > 0 {
				shared := prompt.Common(seqs[family[k-1]].Tokens, seqs[i].Tokens)
				if shared < seqs[i].Header+leastAlike {
					t.Errorf("sequences %d and %d of a family share %d tokens, with a header of %d", family[k-1], i, shared, seqs[i].Header)
				}
				written -= shared - seqs[i].Header
			}
		}
		if written > familyTokens {
			t.Errorf("a family of %d tokens", written)
		}
		if len(family) == 1 {
			alone++
		}
	}
	if slices.ContainsFunc(seen, func(n int) bool { return n != 1 }) {
		t.Errorf("families hold sequences %v times", seen)
	}
	if alone > len(seqs)/2 {
		t.Errorf("%d of %d sequences are alone, though users' prompts begin alike", alone, len(seqs))
	}
	if got := e.Families(headed(3, 50, 1)); len(got) != 3 {
		t.Errorf("families %v of three streams", got)
	}
}
