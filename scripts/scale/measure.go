package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/dataset"
	"lsat/device"
	"lsat/engine"
	"lsat/internal/hostmemory"
	"lsat/internal/randommodel"
	"lsat/period"
	"lsat/prompt"
	"lsat/train"
)

// shape is a model so small that a million targets take minutes: what is measured is all that surrounds the arithmetic, which is the same for
// every target anyway.
var shape = randommodel.Shape{Architectures: []string{"LlamaForCausalLM"}, ModelType: "llama", Hidden: 64, FFN: 128, Layers: 2, Heads: 4, KVHeads: 2,
	Vocab: 2048, MaxPosition: 2048, NormEps: 1e-5, RopeTheta: 1e4, Activation: "silu", Type: "bfloat16"}

// measurement is what one number of targets took.
type measurement struct {
	Targets   int    `json:"targets"`
	Sequences int    `json:"sequences"`
	Tokens    int    `json:"tokens"`
	Device    string `json:"device"`
	DType     string `json:"dtype"`
	Cores     int    `json:"cores"`
	// Train and Score are seconds for all targets: one epoch, and one look with the trained adapter. Write is what writing the sequences took.
	Train float64 `json:"train"`
	Score float64 `json:"score"`
	Write float64 `json:"write"`
	// Bytes of resident memory: before there are any sequences, with the model loaded and every program compiled, and the peaks of training and scoring.
	Before    int64 `json:"before"`
	TrainPeak int64 `json:"train_peak"`
	ScorePeak int64 `json:"score_peak"`
	// TrainCPU and ScoreCPU are the processor's seconds, of all cores, which other work on the machine lengthens less.
	TrainCPU    float64 `json:"train_cpu"`
	ScoreCPU    float64 `json:"score_cpu"`
	LastLoss    float64 `json:"last_loss"`
	MeanLogOdds float64 `json:"mean_log_odds"`
}

// batchTargets is the size of a step: about twelve rows, so that it matters little that a step is a whole number of them.
const batchTargets = 512

// bench is what one process measures with.
type bench struct {
	stream   *period.Stream
	template prompt.Template
	engine   *engine.Engine
	seed     uint64
	dir      string
}

func measure(ctx context.Context, o options) (measurement, error) {
	set, err := dataset.Open(ctx, o.data(), dataset.Options{})
	if err != nil {
		return measurement{}, err
	}
	b := &bench{seed: o.seed}
	if b.stream, err = period.New(set, period.Options{Count: 1, ValidFraction: -1}); err != nil {
		return measurement{}, err
	}
	if n := len(b.stream.Samples); o.one > n {
		return measurement{}, fmt.Errorf("%d ratings make %d samples, %d are wanted: raise --interactions", len(set.Interactions), n, o.one)
	}
	backend, on, _, err := device.Open(o.device)
	if err != nil {
		return measurement{}, err
	}
	m, err := backbone.Load(ctx, o.model(), backbone.Options{})
	if err != nil {
		return measurement{}, err
	}
	defer func() { _ = m.Close() }() // only read
	if b.template, err = prompt.New(prompt.Config{Template: prompt.Stream, Title: prompt.NaturalNoYear}, m.Tokenizer); err != nil {
		return measurement{}, err
	}
	if b.engine, err = engine.New(ctx, m, backend, engine.Options{DType: device.DType(on)}); err != nil {
		return measurement{}, err
	}
	defer b.engine.Close()
	if b.dir, err = os.MkdirTemp("", "scale-"); err != nil {
		return measurement{}, err
	}
	defer func() { _ = os.RemoveAll(b.dir) }() // scratch
	drawn := b.wholeUsers(o.one)
	// A program for a row's length and band that is met once in a hundred thousand targets takes as long to compile as thousands of targets
	// take in this tiny model: the same samples meet the same ones.
	if _, err := b.work(ctx, drawn[:min(o.warm, o.one)]); err != nil {
		return measurement{}, fmt.Errorf("warming up: %w", err)
	}
	res, err := b.work(ctx, drawn)
	res.Device, res.DType, res.Cores = on, device.DType(on), runtime.NumCPU()
	return res, err
}

// wholeUsers takes n samples of users in an order drawn by the seed, so that users have as many samples each whatever the number.
func (b *bench) wholeUsers(n int) []int {
	byUser := make([][]int, len(b.stream.Set.Users))
	for i := range b.stream.Samples {
		u := b.stream.User(i)
		byUser[u] = append(byUser[u], i)
	}
	out := make([]int, 0, n)
	for _, u := range rand.New(rand.NewPCG(b.seed, 1)).Perm(len(byUser)) {
		out = append(out, byUser[u][:min(len(byUser[u]), n-len(out))]...)
	}
	return out
}

// work writes the samples as sequences, trains an adapter on them and scores them with it.
func (b *bench) work(ctx context.Context, samples []int) (measurement, error) {
	samples = slices.Sorted(slices.Values(samples))
	res := measurement{Targets: len(samples)}
	if err := settle(); err != nil {
		return res, err
	}
	res.Before, _ = hostmemory.Resident() // 0 where it cannot be told, as the peaks
	start := time.Now()
	src, err := prompt.SourceOf(b.template, b.stream, samples)
	if err != nil {
		return res, err
	}
	res.Write = time.Since(start).Seconds()
	res.Sequences = src.Len()
	for i := range src.Len() {
		n, err := src.Tokens(i)
		if err != nil {
			return res, err
		}
		res.Tokens += n
	}
	w := begin()
	a, loss, err := b.train(ctx, src)
	if err != nil {
		return res, err
	}
	res.Train, res.TrainCPU = w.seconds()
	res.LastLoss = loss
	res.TrainPeak, _ = hostmemory.Peak()
	if err := settle(); err != nil {
		return res, err
	}
	w = begin()
	if res.MeanLogOdds, err = b.score(ctx, src, a); err != nil {
		return res, err
	}
	res.Score, res.ScoreCPU = w.seconds()
	res.ScorePeak, _ = hostmemory.Peak()
	return res, nil
}

// scoreChunk is how many targets are written and scored at once, as a study does it.
const scoreChunk = 2048

// score scores every target, as a study does: chunk by chunk, each written when its turn comes.
func (b *bench) score(ctx context.Context, src prompt.Source, a *adapter.Adapter) (mean float64, err error) {
	var odds []float64
	for lo, hi := 0, 0; lo < src.Len(); lo = hi {
		for n := 0; hi < src.Len() && n < scoreChunk; hi++ {
			n += src.Targets(hi)
		}
		seqs, err := prompt.Read(src, lo, hi)
		if err != nil {
			return 0, err
		}
		rows, err := b.engine.Score(ctx, seqs, b.template.Answers(), a, nil)
		if err != nil {
			return 0, err
		}
		odds = append(odds, slices.Concat(rows...)...)
	}
	return stat.Mean(odds, nil), nil
}

// settle gives back what is no longer used and lets the peak count from now.
func settle() error {
	debug.FreeOSMemory()
	return hostmemory.ResetPeak()
}

func (b *bench) train(ctx context.Context, src prompt.Source) (a *adapter.Adapter, lastLoss float64, err error) {
	spec := train.Spec{Backbone: b.engine.BackboneHash(), Numerics: b.engine.Numerics(), Template: b.template.Hash(), Seed: b.seed,
		Hyper: train.Hyper{Batch: batchTargets}}
	dir, err := os.MkdirTemp(b.dir, "job-")
	if err != nil {
		return nil, 0, err
	}
	r, err := train.Run(ctx, spec, b.engine, train.Data{Train: src, Answers: b.template.Answers()}, nil, filepath.Join(dir, "job"), nil)
	if err != nil {
		return nil, 0, err
	}
	return r.Adapter, r.Losses[len(r.Losses)-1], nil
}

// words are the words, of ASCII letters, of the titles of a set.
func words(set *dataset.Set) []string {
	seen := map[string]bool{}
	var out []string
	for _, item := range set.Items {
		for _, word := range strings.FieldsFunc(item.Title, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
			if !seen[word] {
				seen[word] = true
				out = append(out, word)
			}
		}
	}
	return out
}
