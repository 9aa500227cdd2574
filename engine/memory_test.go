package engine

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/device"
)

// smolLM2 is SmolLM2-135M's shape with its own vocabulary.
func smolLM2() backbone.Config {
	c := smolShape()
	c.Vocab = 49152
	return c
}

func llama7B(layers int) backbone.Config {
	return backbone.Config{Architecture: "llama", Layers: layers, Hidden: 4096, FFN: 11008, Heads: 32, KVHeads: 32, HeadDim: 128, Vocab: 32000,
		MaxSeq: 4096, NormEps: 1e-5, RopeBase: 10000, Activation: "silu"}
}

// The peaks are those of the resident memory (VmHWM) that "bigmodel run" prints, in GB, on two cores with XLA's CPU plugin and the allocator
// of device.TuneAllocator; those of Llama's shapes from before buffers fitted each other's places (device/aligned_linux.go), which with batches this small is next to nothing. The same run gives peaks that differ by a tenth.
func TestEstimateMeetsMeasuredPeaks(t *testing.T) {
	const tolerance = .2
	for _, c := range []struct {
		name         string
		config       backbone.Config
		dtype        string
		rows, tokens int
		train        bool
		peak         float64
	}{
		{"SmolLM2", smolLM2(), "bf16", 8, 64, true, 0.76},
		{"SmolLM2", smolLM2(), "bf16", 1, 512, true, 0.77},
		{"SmolLM2", smolLM2(), "bf16", 2, 512, true, 0.98},
		{"SmolLM2", smolLM2(), "bf16", 4, 512, true, 1.57},
		{"SmolLM2", smolLM2(), "bf16", 1, 1024, true, 1.07},
		{"SmolLM2", smolLM2(), "f32", 2, 512, true, 1.66},
		{"SmolLM2", smolLM2(), "f32", 4, 512, true, 2.53},
		{"SmolLM2", smolLM2(), "f32", 1, 1024, true, 1.93},
		{"SmolLM2", smolLM2(), "bf16", 8, 64, false, .51},
		{"SmolLM2", smolLM2(), "bf16", 1, 512, false, .51},
		{"SmolLM2", smolLM2(), "bf16", 2, 512, false, .53},
		{"SmolLM2", smolLM2(), "bf16", 4, 512, false, .59},
		{"SmolLM2", smolLM2(), "bf16", 1, 1024, false, .57},
		{"SmolLM2", smolLM2(), "f32", 2, 512, false, .81},
		{"SmolLM2", smolLM2(), "f32", 4, 512, false, .89},
		{"SmolLM2", smolLM2(), "f32", 1, 1024, false, .87},
		{"4 layers of Llama 2 7B", llama7B(4), "bf16", 1, 64, true, 2.60},
		{"4 layers of Llama 2 7B", llama7B(4), "bf16", 1, 64, false, 2.12},
		{"Llama 2 7B", llama7B(32), "bf16", 1, 64, true, 14.39},
		{"Llama 2 7B", llama7B(32), "bf16", 1, 64, false, 13.50},
	} {
		w := Work{DType: c.dtype, Rows: c.rows, RowTokens: c.tokens, Train: c.train}
		m, err := EstimateMemory(c.config, w)
		if err != nil {
			t.Fatal(err)
		}
		got := float64(m.Total()) / 1e9
		if off := got/c.peak - 1; math.Abs(off) > tolerance {
			t.Errorf("%s in %s, %s: estimated %.2f GB (%s), measured %.2f: off by %+.0f%%", c.name, c.dtype, w, got, m, c.peak, 100*off)
		}
	}
}

// What is kept for the way back is what the stages hand on, to the byte.
func TestKeptIsWhatStagesHandOn(t *testing.T) {
	b := backends(t)["go"]
	for family, cfg := range smallConfigs() {
		e := newEngine(t, randomModel(cfg, 5), b, Options{RowTokens: 64, BatchTokens: 256})
		seqs := randomSequences(7, cfg.Vocab, 3)
		a, err := randomAdapter(e.AdapterShapes(), allModules(), 9)
		if err != nil {
			t.Fatal(err)
		}
		j, err := e.start(seqs, answers, a, true, 0)
		if err != nil {
			t.Fatal(err)
		}
		batch := pack(seqs, e.packing(false, false))[0]
		p, err := j.pass(context.Background(), e.replicas[0], seqs, batch, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.climb(context.Background(), 0, cfg.Layers, 0); err != nil {
			t.Fatal(err)
		}
		held := int64(0)
		for _, k := range p.kept {
			for _, v := range k {
				held += v.(*tensors.Tensor).Shape().ByteSize()
			}
		}
		m, err := EstimateMemory(cfg, Work{Rows: batch.rows, RowTokens: batch.time, Train: true})
		if err != nil || m.Kept != held {
			t.Errorf("%s: %d bytes are kept, the estimate is %d (%v)", family, held, m.Kept, err)
		}
		p.close()
		j.close()
	}
}

func TestEstimateOfExtremes(t *testing.T) {
	if _, err := EstimateMemory(smolLM2(), Work{DType: "int3"}); err == nil {
		t.Error("an unknown dtype is taken")
	}
	huge := backbone.Config{Architecture: "llama", Layers: 1 << 12, Hidden: 1 << 20, FFN: 1 << 20, Heads: 1 << 13, KVHeads: 1 << 13, HeadDim: 128, Vocab: 1 << 24}
	m, err := EstimateMemory(huge, Work{Rows: 1 << 30, RowTokens: 1 << 30, Train: true})
	if err != nil || m.Total() < 1<<60 {
		t.Errorf("%d bytes, %v", m.Total(), err)
	}
	near, err := EstimateMemory(smolLM2(), Work{Rows: 4, RowTokens: 512, Train: true, Keys: 128})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := EstimateMemory(smolLM2(), Work{Rows: 4, RowTokens: 512, Train: true, Keys: 1000})
	if err != nil || whole.Attention != 4*near.Attention {
		t.Errorf("attention over 128 keys takes %d bytes, over all 512 %d (%v)", near.Attention, whole.Attention, err)
	}
	two, err := EstimateMemory(smolLM2(), Work{Rows: 4, RowTokens: 512, Train: true, Devices: 2})
	if err != nil {
		t.Fatal(err)
	}
	less, err := EstimateMemory(smolLM2(), Work{Rows: 4, RowTokens: 512, Train: true, Layers: 5})
	if err != nil {
		t.Fatal(err)
	}
	all, err := EstimateMemory(smolLM2(), Work{Rows: 4, RowTokens: 512, Train: true})
	if two.Weights != 2*all.Weights || two.Kept != 2*all.Kept {
		t.Errorf("two devices take %s, one %s", two, all)
	}
	if err != nil || less.Total() >= all.Total() || less.Weights != all.Weights {
		t.Errorf("the upper five layers take %d bytes, all %d (%v)", less.Total(), all.Total(), err)
	}
}

// A batch that cannot fit is refused before anything runs, with what it would take, what there is, and what to lower.
func TestBatchThatCannotFitIsRefused(t *testing.T) {
	seqs := fullRows(4, 512, 10)
	for i := range seqs {
		seqs[i].Steps, seqs[i].Window = nil, 0 // all see whole rows
	}
	cfg := smolShape()
	cfg.Layers = 2
	m := randomModel(cfg, 1)
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			alone, err := EstimateMemory(cfg, Work{Rows: 2, RowTokens: 512, Train: true, AtOnce: executors(b)})
			if err != nil {
				t.Fatal(err)
			}
			limit := alone.Total()
			e := newEngine(t, m, b, Options{BatchTokens: 2048, MemoryLimit: limit})
			a, err := adapter.New(adapter.Config{}, e.AdapterShapes(), 1)
			if err != nil {
				t.Fatal(err)
			}
			_, err = e.Gradient(context.Background(), seqs, answers, a, 0, 0, make([]float32, a.NumParameters()))
			refused(t, err, "training on 4 rows of 512 tokens", gigabytes(limit), "lower batch_tokens from 2048 to 1024")
			if _, err := e.Score(context.Background(), seqs[:1], answers, a, nil); err != nil {
				t.Errorf("what fits is refused: %v", err)
			}
			if len(e.programs) != 3 { // begin, forward and score
				t.Errorf("%d programs were made: those of the refused batch too?", len(e.programs))
			}

			_, err = New(context.Background(), m, b, Options{MemoryLimit: 1 << 20})
			refused(t, err, "loading the weights", "0.00 GB", "; take a smaller model")
		})
	}
	_ = newEngine(t, m, backends(t)["go"], Options{MemoryLimit: -1})
	err := CheckMemory(llama7B(32), Work{DType: "f32", Rows: 1, RowTokens: 64, Train: true}, 20e9)
	refused(t, err, "training on a row of 64 tokens", "the limit is 20.00 GB", "take bf16 instead of f32")
	err = CheckMemory(llama7B(32), Work{DType: "bf16", Rows: 1, RowTokens: 64, Train: true}, 10e9)
	refused(t, err, "weights 13.", "the limit is 10.00 GB", "; quantize to int8, or take a smaller model")
	err = CheckMemory(llama7B(32), Work{DType: "f32", Rows: 1, RowTokens: 1 << 20}, 64e9)
	refused(t, err, "64.00 GB", "lower row_tokens from 1048576")
	if err := CheckMemory(llama7B(32), Work{DType: "f32", Rows: 1, RowTokens: 1 << 20}, 0); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

func refused(t *testing.T, err error, says ...string) {
	t.Helper()
	if !errors.Is(err, ErrMemory) {
		t.Fatalf("%v, want ErrMemory", err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}

// FullBatch knows New's defaults.
func TestFullBatchHasTheEnginesDefaults(t *testing.T) {
	b, _, _, err := device.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {RowTokens: 64}, {RowTokens: 4096}, {BatchTokens: 1024, DType: "bf16"}, {RowTokens: 300, BatchTokens: 1000}} {
		e := newEngine(t, randomModel(smallConfigs()["llama"], 1), b, o)
		w := o.FullBatch(true)
		if w.RowTokens != e.options.RowTokens || w.Rows != e.options.BatchTokens/e.options.RowTokens || w.DType != o.DType || !w.Train {
			t.Errorf("%+v: %+v, the engine has %+v", o, w, e.options)
		}
	}
}

// A device with memory of its own gets batches as wide as its memory allows; the host's, and those of a caller who says so, stay as they are.
func TestBatchesOfADeviceWithItsOwnMemoryAreWide(t *testing.T) {
	b, _, _, err := device.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	m := randomModel(smallConfigs()["llama"], 1)
	need := func(tokens int) int64 {
		w := Options{BatchTokens: tokens}.FullBatch(true)
		e, err := EstimateMemory(m.Config, w)
		if err != nil {
			t.Fatal(err)
		}
		return e.Total()
	}
	if got := (Options{Devices: 4, MemoryLimit: need(8192)}).withDefaults().wideBatch(m.Config); got != 8192 {
		t.Errorf("four devices, each with memory for the widest batch, get batches of %d tokens", got)
	}
	for name, c := range map[string]struct {
		backend compute.Backend
		options Options
		want    int
	}{
		"no limit":             {apart{b}, Options{}, 8192},
		"all of it":            {apart{b}, Options{MemoryLimit: need(8192)}, 8192},
		"not quite":            {apart{b}, Options{MemoryLimit: need(8192) - 1}, 4096},
		"a little":             {apart{b}, Options{MemoryLimit: need(1024)}, 1024},
		"the caller's":         {apart{b}, Options{BatchTokens: 2048}, 2048},
		"the caller's row":     {apart{b}, Options{RowTokens: 16384}, 16384},
		"the host's, no limit": {b, Options{MemoryLimit: -1}, 1024},
	} {
		if e := newEngine(t, m, c.backend, c.options); e.options.BatchTokens != c.want {
			t.Errorf("%s: batches of %d tokens, want %d", name, e.options.BatchTokens, c.want)
		}
	}
}
