package engine

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"lsat/backbone"
	"lsat/prompt"
)

// headed are sequences as the stream template writes them: a header that all share, then items of which a token sees the last ten.
func headed(n, vocab int, seed uint64) []prompt.Sequence {
	rng := rand.New(rand.NewPCG(seed, 4))
	header := make([]int32, 6)
	for i := range header {
		header[i] = int32(rng.IntN(vocab))
	}
	out := make([]prompt.Sequence, n)
	for i := range out {
		s := prompt.Sequence{Window: 10, Header: len(header), Tokens: slices.Clone(header), Steps: []int32{-1, -1, -1, -1, -1, -1}}
		for step := range 20 + rng.IntN(30) {
			for range 2 + rng.IntN(4) {
				s.Tokens = append(s.Tokens, int32(rng.IntN(vocab)))
				s.Steps = append(s.Steps, int32(step))
			}
			s.Targets = append(s.Targets, prompt.Target{Position: int32(len(s.Tokens) - 1), Label: rng.IntN(2) == 1, Sample: int32(100*i + step)})
		}
		out[i] = s
	}
	return out
}

// onRows is the same engine with attention over whole rows and every header in its own sequence.
func onRows(e *Engine) *Engine {
	return &Engine{model: e.model, backend: e.backend, options: e.options, dtype: e.dtype, replicas: e.replicas, programs: map[signature]*graph.Exec{}, byRows: true}
}

// bandsOf lists the bands that an engine uses for sequences.
func bandsOf(e *Engine, seqs []prompt.Sequence) (out []backbone.Band) {
	for _, b := range pack(seqs, e.packing(false, false)) {
		out = append(out, b.band)
	}
	return out
}

// Attention by blocks over one header for many sequences gives what whole rows give, forwards and backwards.
func TestBandsChangeNothing(t *testing.T) {
	for name, b := range backends(t) {
		for _, family := range []string{"llama", "gemma3"} {
			t.Run(name+"/"+family, func(t *testing.T) {
				cfg := smallConfigs()[family]
				e := newEngine(t, randomModel(cfg, 5), b, Options{RowTokens: 64, BatchTokens: 512})
				seqs := headed(7, cfg.Vocab, 1)
				band := backbone.Band{Block: bandBlock, Back: 2, Header: 8}
				if got := bandsOf(e, seqs); !slices.Contains(got, band) {
					t.Fatalf("bands %v, want one of %v", got, band)
				}
				rows := onRows(e)
				if got := bandsOf(rows, seqs); slices.ContainsFunc(got, func(b backbone.Band) bool { return b != backbone.Band{} }) {
					t.Fatalf("bands %v by rows", got)
				}
				a, err := randomAdapter(e.AdapterShapes(), allModules(), 9)
				if err != nil {
					t.Fatal(err)
				}
				sameScores(t, "rows", scoreAll(t, e, seqs, a), scoreAll(t, rows, seqs, a))
				loss, grad := gradient(t, e, seqs, a)
				wantLoss, want := gradient(t, rows, seqs, a)
				sameGradient(t, "rows", loss, wantLoss, grad, want)
				_, want = derivedGradient(t, newEngine(t, e.model, backends(t)["go"], e.options), a, seqs) // its loss takes logarithms of rounded probabilities, too coarse for so many targets
				sameGradient(t, "the derived program", loss, loss, grad, want)
			})
		}
	}
}

// What cannot go by blocks goes by rows: another header, a target in it, and looking back further than it pays.
func TestReach(t *testing.T) {
	seqs := headed(4, 50, 1)
	if r := reachOf(seqs); r.header != 6 || r.back < 20 || r.back > 50 {
		t.Errorf("reach %+v of ten items of two to five tokens behind a header of six", r)
	}
	other := slices.Clone(seqs)
	other[2].Tokens = slices.Clone(other[2].Tokens)
	other[2].Tokens[3]++
	longest := 0
	for i := range seqs {
		longest = max(longest, len(seqs[i].Tokens))
	}
	if r := reachOf(other); r != (reach{back: longest, windows: true}) {
		t.Errorf("reach %+v where a header differs, want none and the whole length", r)
	}
	asked := slices.Clone(seqs)
	asked[1].Targets = append([]prompt.Target{{Position: 2}}, asked[1].Targets...)
	if r := reachOf(asked); r.header != 0 {
		t.Errorf("reach %+v where a target lies in the header", r)
	}
	far := slices.Clone(seqs)
	far[0].Window, far[0].Steps = 0, nil
	if r := reachOf(far); r.header != 6 || r.back != len(far[0].Tokens)-6 {
		t.Errorf("reach %+v where one sequence sees all of its %d tokens", r, len(far[0].Tokens))
	}
	jumbled := slices.Clone(seqs)
	jumbled[0].Steps = slices.Clone(jumbled[0].Steps)
	jumbled[0].Steps[30] = 0
	if r := reachOf(jumbled); r.back != len(jumbled[0].Tokens)-6 {
		t.Errorf("reach %+v where steps go back and forth", r)
	}
}

// A sequence that is longer than a row still gets its own.
func TestLongSequenceByBlocks(t *testing.T) {
	cfg := smallConfigs()["llama"]
	b := backends(t)["go"]
	e := newEngine(t, randomModel(cfg, 5), b, Options{RowTokens: 64, BatchTokens: 256})
	seqs := headed(3, cfg.Vocab, 1)
	sameScores(t, "rows", scoreAll(t, e, seqs, nil), scoreAll(t, onRows(e), seqs, nil))
}

// Candidates behind one history score alike whether the history is computed once or for each of them, and in less room.
func TestCandidatesShareTheirHistory(t *testing.T) {
	cfg := smallConfigs()["llama"]
	rng := rand.New(rand.NewPCG(3, 3))
	history := headed(1, cfg.Vocab, 1)[0]
	var seqs []prompt.Sequence
	for range 40 {
		s := prompt.Sequence{Window: history.Window, Tokens: slices.Clone(history.Tokens), Steps: slices.Clone(history.Steps)}
		for range 3 + rng.IntN(6) {
			s.Tokens = append(s.Tokens, int32(rng.IntN(cfg.Vocab)))
			s.Steps = append(s.Steps, history.Steps[len(history.Steps)-1]+1)
		}
		s.Targets = []prompt.Target{{Position: int32(len(s.Tokens) - 1)}}
		seqs = append(seqs, s)
	}
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, randomModel(cfg, 5), b, Options{RowTokens: 256, BatchTokens: 512})
			want := scoreAll(t, onRows(e), seqs, nil)
			shared := slices.Clone(seqs)
			prompt.ShareBeginning(shared)
			if n := len(pack(shared, e.packing(true, true))); n != executors(b) {
				t.Errorf("%d batches of a history of %d tokens and 40 candidates, want %d", n, len(history.Tokens), executors(b))
			}
			sameScores(t, "rows", scoreAll(t, e, shared, nil), want)
		})
	}
}

// Prompts that share a long header are scored in longer rows, where nobody bounds the batches: the header is computed half as often. They are trained on
// in rows as long as they need.
func TestLongHeaderStretchesRows(t *testing.T) {
	cfg := smallConfigs()["llama"]
	b := backends(t)["go"]
	for _, c := range []struct {
		header, batchTokens int
		longest             int
	}{{longHeader, 0, 1024}, {128, 0, 2048}, {128, 1024, 1024}} {
		seqs := headed(60, cfg.Vocab, 1)
		for i := range seqs {
			s := &seqs[i]
			grown := c.header - s.Header
			s.Tokens = slices.Concat(make([]int32, grown), s.Tokens)
			s.Steps = slices.Concat(slices.Repeat([]int32{-1}, grown), s.Steps)
			for k := range s.Targets {
				s.Targets[k].Position += int32(grown)
			}
			s.Header = c.header
		}
		e := newEngine(t, randomModel(cfg, 5), b, Options{BatchTokens: c.batchTokens})
		longest := 0
		for _, b := range pack(seqs, e.packing(true, false)) {
			longest = max(longest, b.time)
		}
		if longest != c.longest {
			t.Errorf("behind a header of %d, in batches of %d: rows of %d tokens, want %d", c.header, c.batchTokens, longest, c.longest)
		}
		fine := 0
		for _, b := range pack(seqs, e.packing(false, false)) {
			if b.time > 1024 {
				t.Errorf("behind a header of %d a row of %d tokens is trained on", c.header, b.time)
			}
			if b.time%128 != 0 && b.time > 768 {
				fine++
			}
		}
		if long := c.header > longHeader; long != (fine > 0) {
			t.Errorf("behind a header of %d, %d rows are trained on whose length is no multiple of an eighth of a batch", c.header, fine)
		}
		if c.header == 128 {
			sameScores(t, "rows", scoreAll(t, e, seqs[:8], nil), scoreAll(t, onRows(e), seqs[:8], nil))
		}
	}
}
