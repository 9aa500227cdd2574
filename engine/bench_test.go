package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/device"
	"lsat/prompt"
)

// smolShape is SmolLM2-135M's shape with generated weights and a small vocabulary.
func smolShape() backbone.Config {
	return backbone.Config{Architecture: "llama", Layers: 30, Hidden: 576, FFN: 1536, Heads: 9, KVHeads: 3, HeadDim: 64, Vocab: 2000,
		MaxSeq: 8192, NormEps: 1e-5, RopeBase: 100000, Activation: "silu", Tied: true}
}

func fullRows(rows, time, every int) []prompt.Sequence {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]prompt.Sequence, rows)
	for i := range out {
		for k := range time {
			out[i].Tokens = append(out[i].Tokens, int32(rng.IntN(2000)))
			out[i].Steps = append(out[i].Steps, int32(k/every))
			if k%every == every-1 {
				out[i].Targets = append(out[i].Targets, prompt.Target{Position: int32(k), Label: k%2 == 0})
			}
		}
		out[i].Window = 10
	}
	return out
}

// flops per token of the frozen products of one forward pass, matrix products only.
func flopsPerToken(c backbone.Config, time int) float64 {
	linear := c.Hidden*(c.Heads+2*c.KVHeads)*c.HeadDim + c.Heads*c.HeadDim*c.Hidden + 3*c.Hidden*c.FFN
	attention := 2 * c.Heads * c.HeadDim * time
	return 2 * float64(c.Layers) * float64(linear+attention)
}

// compile runs once, so that the loop measures steps alone, and reports what the first run took.
func compile(b *testing.B, f func() error) {
	b.Helper()
	start := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(start).Seconds(), "first-s")
	b.ResetTimer()
}

func BenchmarkStep(b *testing.B) {
	backend, _, _, err := device.Open("xla:cpu")
	if err != nil {
		b.Skip(err)
	}
	cfg := smolShape()
	m := randomModel(cfg, 1)
	for _, shape := range [][3]int{{2, 512}, {4, 512}, {4, 512, 1}} {
		e, err := New(context.Background(), m, backend, Options{DType: device.DType(device.XLACPU), RowTokens: shape[1], BatchTokens: shape[0] * shape[1]})
		if err != nil {
			b.Fatal(err)
		}
		how := "blocks"
		if shape[2] == 1 {
			e, how = onRows(e), "rows"
		}
		seqs := fullRows(shape[0], shape[1], 10)
		a, err := adapter.New(adapter.Config{}, e.AdapterShapes(), 1)
		if err != nil {
			b.Fatal(err)
		}
		grad := make([]float32, a.NumParameters())
		tokens := float64(shape[0] * shape[1])
		b.Run(fmt.Sprintf("train/%s/%dx%d", how, shape[0], shape[1]), func(b *testing.B) {
			compile(b, func() error {
				_, err := e.Gradient(context.Background(), seqs, answers, a, .05, 1, grad)
				return err
			})
			for b.Loop() {
				if _, err := e.Gradient(context.Background(), seqs, answers, a, .05, 1, grad); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(tokens*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(2*flopsPerToken(cfg, shape[1])*tokens*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
		})
		b.Run(fmt.Sprintf("score/%s/%dx%d", how, shape[0], shape[1]), func(b *testing.B) {
			compile(b, func() error {
				_, err := e.Score(context.Background(), seqs, answers, a, nil)
				return err
			})
			for b.Loop() {
				if _, err := e.Score(context.Background(), seqs, answers, a, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(tokens*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(flopsPerToken(cfg, shape[1])*tokens*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
		})
	}
}

// runBatch trains on a batch or scores it.
func runBatch(j *job, seqs []prompt.Sequence, b *batch, train bool) (err error) {
	if r := j.engine.replicas[0]; train {
		_, err = j.gradient(context.Background(), r, seqs, b, 1)
	} else {
		_, err = scoreBatch(context.Background(), []*job{j}, r, seqs, b)
	}
	return err
}

// BenchmarkBand is what attention costs: the same row by blocks that meet more or fewer keys, in eight layers of SmolLM2's. The first one is that of TALLRec
// prompts in a row, the second what it would be if each had a block of its own, the last nearly no attention. The mask is not right for all, which costs the same.
func BenchmarkBand(b *testing.B) {
	backend, _, _, err := device.Open(device.XLACPU)
	if err != nil {
		b.Skip(err)
	}
	cfg := smolShape()
	cfg.Layers = 8
	m := randomModel(cfg, 1)
	for _, c := range []struct {
		name string
		time int
		band backbone.Band
	}{
		{"tallrec", 1024, backbone.Band{Block: 32, Back: 6, Header: 72}},
		{"aligned", 1120, backbone.Band{Block: 160, Header: 72}},
		{"none", 1024, backbone.Band{Block: 32}},
	} {
		for _, quantize := range Quantizations() {
			e, err := New(context.Background(), m, backend, Options{DType: device.DType(device.XLACPU), Quantize: quantize, RowTokens: c.time, BatchTokens: c.time})
			if err != nil {
				b.Fatal(err)
			}
			a, err := adapter.New(adapter.Config{}, e.AdapterShapes(), 1)
			if err != nil {
				b.Fatal(err)
			}
			seqs := fullRows(1, c.time, 150)
			batch := layOut(seqs, []*row{{members: []int{0}}}, 1, c.time, reach{})
			batch.band = c.band
			for _, train := range []bool{false, true} {
				what := map[bool]string{false: "score", true: "train"}[train]
				b.Run(what+"/"+c.name+"/"+quantize, func(b *testing.B) {
					j, err := e.start(seqs, answers, a, train, .05)
					if err != nil {
						b.Fatal(err)
					}
					defer j.close()
					step := func() error { return runBatch(j, seqs, batch, train) }
					compile(b, step)
					for b.Loop() {
						if err := step(); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N*cfg.Layers)*1024/float64(c.time), "ms/layer/1024")
				})
			}
		}
	}
}

// slidingPrompts are prompts as tallrec writes them, of users who rate one item after another: a header of 70 tokens, the liked ones of the last ten items, the
// disliked ones, and the next item. What a prompt begins with stays until the oldest liked item leaves the ten.
func slidingPrompts(users, each, vocab int) []prompt.Sequence {
	rng := rand.New(rand.NewPCG(1, 7))
	words := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(rng.IntN(vocab))
		}
		return out
	}
	header, between, question := words(70), words(8), words(16)
	var out []prompt.Sequence
	for range users {
		var titles [][]int32
		var liked []bool
		for range each + 10 {
			titles, liked = append(titles, words(6+rng.IntN(9))), append(liked, rng.Float64() < .58)
		}
		for t := 10; t < len(titles); t++ {
			s := prompt.Sequence{Header: len(header), Tokens: slices.Clone(header)}
			for _, want := range []bool{true, false} {
				for k := t - 10; k < t; k++ {
					if liked[k] == want {
						s.Tokens = append(s.Tokens, titles[k]...)
					}
				}
				s.Tokens = append(s.Tokens, between...)
			}
			s.Tokens = slices.Concat(s.Tokens, titles[t], question)
			s.Targets = []prompt.Target{{Position: int32(len(s.Tokens) - 1), Label: liked[t]}}
			out = append(out, s)
		}
	}
	return out
}

// BenchmarkTree compares rows in which prompts share all that neighbours begin with to rows in which they share the header: eight layers of SmolLM2's.
func BenchmarkTree(b *testing.B) {
	backend, _, _, err := device.Open(device.XLACPU)
	if err != nil {
		b.Skip(err)
	}
	cfg := smolShape()
	cfg.Layers = 8
	e, err := New(context.Background(), randomModel(cfg, 1), backend, Options{DType: device.DType(device.XLACPU)})
	if err != nil {
		b.Fatal(err)
	}
	a, err := adapter.New(adapter.Config{}, e.AdapterShapes(), 1)
	if err != nil {
		b.Fatal(err)
	}
	seqs := slidingPrompts(4, 32, cfg.Vocab)
	for _, train := range []bool{false, true} {
		for _, tree := range []bool{false, true} {
			name := map[bool]string{false: "score", true: "train"}[train] + map[bool]string{false: "/header", true: "/tree"}[tree]
			b.Run(name, func(b *testing.B) {
				p := e.packing(!train, !train)
				p.tree = tree
				batches, tokens := pack(seqs, p), 0
				for _, batch := range batches {
					tokens += batch.rows * batch.time
				}
				j, err := e.start(seqs, answers, a, train, .05)
				if err != nil {
					b.Fatal(err)
				}
				defer j.close()
				step := func() error {
					for _, batch := range batches {
						if err := runBatch(j, seqs, batch, train); err != nil {
							return err
						}
					}
					return nil
				}
				compile(b, step)
				for b.Loop() {
					if err := step(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(tokens)/float64(len(seqs)), "tokens/prompt")
				b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N*cfg.Layers*len(seqs)), "ms/layer/prompt")
			})
		}
	}
}

// BenchmarkGoExecutors compares one executor of the Go backend with two, on the same batches: eight layers of SmolLM2's.
func BenchmarkGoExecutors(b *testing.B) {
	backend, _, _, err := device.Open(device.Go)
	if err != nil {
		b.Fatal(err)
	}
	cfg := smolShape()
	cfg.Layers = 8
	m := randomModel(cfg, 1)
	seqs := fullRows(8, 256, 10)
	for _, n := range []int{1, 2} {
		e, err := New(context.Background(), m, backend, Options{})
		if err != nil {
			b.Fatal(err)
		}
		e.replicas = e.replicas[:n]
		a, err := adapter.New(adapter.Config{}, e.AdapterShapes(), 1)
		if err != nil {
			b.Fatal(err)
		}
		grad := make([]float32, a.NumParameters())
		tokens := 8. * 256
		b.Run(fmt.Sprintf("train/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := e.Gradient(context.Background(), seqs, answers, a, .05, 1, grad); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(tokens*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
		b.Run(fmt.Sprintf("score/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := e.Score(context.Background(), seqs, answers, a, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(tokens*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
