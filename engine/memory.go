package engine

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute"

	"lsat/backbone"
	"lsat/internal/hostmemory"
)

// ErrMemory says that a model, or a batch beside it, needs more memory than there is. It is an estimate that says so, before anything is
// allocated: a system that runs out of memory kills, and does not say why.
var ErrMemory = errors.New("not enough memory")

// Memory is an estimate of the bytes that are taken at once, by what takes them.
type Memory struct {
	// Weights is what the frozen weights take on the device.
	Weights int64
	// Kept is what a training step keeps of every layer for the way back.
	Kept int64
	// Attention is one layer's scores, probabilities and their gradients, which without a band grow with the square of a row, and Temporary its other
	// intermediate results, which it leaves to the next.
	Attention, Temporary int64
	// Slack is what the C library's allocator holds beyond that, and what products in an emulated type take.
	Slack int64
	// Fixed is the process, the compiler and its programs.
	Fixed int64
}

// Total is the sum.
func (m Memory) Total() int64 {
	total := int64(0)
	for _, v := range []int64{m.Weights, m.Kept, m.Attention, m.Temporary, m.Slack, m.Fixed} {
		if total += v; total < 0 {
			return math.MaxInt64
		}
	}
	return total
}

// Work is what is asked of an engine, as far as memory is concerned.
type Work struct {
	// DType is that of weights and activations, as in Options.
	DType string
	// Quantize is as in Options: the layers' matrices take a byte a number.
	Quantize string
	// Rows of RowTokens tokens are in one batch. None means loading alone.
	Rows, RowTokens int
	// Train says that gradients are wanted.
	Train bool
	// Layers is the number of layers that are computed, the uppermost ones. 0 means all.
	Layers int
	// Devices is the number of devices that share the memory, each with weights and batches of its own. 0 means 1.
	Devices int
	// AtOnce is the number of batches that a device runs side by side. 0 means 1.
	AtOnce int
	// Keys is the number of tokens that attention compares each token with. 0 means a whole row.
	Keys int
}

// FullBatch is the work of one batch as large as the options allow.
func (o Options) FullBatch(train bool) Work {
	full := o.withDefaults()
	return Work{DType: o.DType, Quantize: o.Quantize, Rows: max(1, full.BatchTokens/max(1, full.RowTokens)), RowTokens: full.RowTokens, Train: train, Devices: o.Devices}
}

// Temporary in one layer, for each token of a batch: numbers of feed-forward width in the type of the activations, bytes for each
// number of hidden width, and of heads x keys numbers those in the type of the activations and those in float32.
const (
	temporaryFFN, temporaryHidden           = 3, 6
	scoreScores, scoreScores32              = 2, 1
	trainScores, trainScores32, trainHidden = 4, 2, 24
	trainFFN                                = 5
)

// What a process takes beyond that, from the peaks of whole runs (TestEstimateMeetsMeasuredPeaks).
const (
	scoreFixed, trainFixed = 230_000_000, 300_000_000
	slack                  = .05 // of what is kept and temporary
)

// EstimateMemory estimates what an engine takes at its peak for a model and a kind of work.
func EstimateMemory(c backbone.Config, w Work) (Memory, error) {
	if w.DType == "" {
		w.DType = "f32"
	}
	dtype, err := parseDType(w.DType)
	if err != nil {
		return Memory{}, err
	}
	size := float64(dtype.Size())
	m := Memory{Fixed: scoreFixed}
	weights := 0.
	for name, shape := range c.Shapes() {
		if name == "head" { // only two rows of it are used
			continue
		}
		n := 1.
		for _, d := range shape {
			n *= float64(d)
		}
		if w.Quantize == QuantizeInt8 && isMatrix(deviceName(name)) {
			weights += n + 4*float64(shape[0])
		} else {
			weights += n * size
		}
	}
	devices := float64(max(1, w.Devices))
	m.Weights = whole(devices * weights)
	tokens := devices * float64(max(1, w.AtOnce)) * float64(w.Rows) * float64(w.RowTokens)
	if tokens <= 0 {
		return m, nil
	}
	hidden, heads, ffn, kv := float64(c.Hidden), float64(c.Heads*c.HeadDim), float64(c.FFN), float64(c.KVHeads*c.HeadDim)
	scores := float64(c.Heads) * float64(w.RowTokens)
	if w.Keys > 0 && w.Keys < w.RowTokens {
		scores = float64(c.Heads) * float64(w.Keys)
	}
	converted := 0. // the largest product's weights, where bfloat16 is emulated
	if size < 4 {
		converted = 4 * 2 * ffn * hidden
	}
	if !w.Train {
		m.Attention = whole(tokens * scores * (size*scoreScores + 4*scoreScores32))
		m.Temporary = whole(tokens * (size*temporaryFFN*ffn + temporaryHidden*(hidden+heads)/2))
		m.Slack = whole(converted + slack*float64(m.Attention+m.Temporary))
		return m, nil
	}
	layers := float64(c.Layers)
	if w.Layers > 0 && w.Layers < c.Layers {
		layers = float64(w.Layers)
	}
	numbers := 2*hidden + 2*heads + 2*kv + 2*ffn // backbone.Kept
	if c.PostNorms {
		numbers += 2 * hidden
	}
	m.Fixed = trainFixed
	m.Kept = whole(tokens * layers * size * numbers)
	m.Attention = whole(tokens * scores * (size*trainScores + 4*trainScores32))
	m.Temporary = whole(tokens * (size*trainFFN*ffn + trainHidden*(hidden+heads)/2))
	m.Slack = whole(converted + slack*float64(m.Kept+m.Attention+m.Temporary))
	return m, nil
}

// whole is v as an integer, or the largest one where it is out of reach.
func whole(v float64) int64 {
	if v >= math.MaxInt64/8 {
		return math.MaxInt64 / 8
	}
	return int64(v)
}

// CheckMemory returns an error that wraps ErrMemory if the estimate for a model and a kind of work is above the limit. A limit of 0 or less is none.
func CheckMemory(c backbone.Config, w Work, limit int64) error {
	m, err := EstimateMemory(c, w)
	if err != nil || limit <= 0 {
		return err
	}
	if m.Total() <= limit {
		return nil
	}
	return fmt.Errorf("engine: %w: %s takes about %s (%s), the limit is %s; %s", ErrMemory, w, gigabytes(m.Total()), m, gigabytes(limit), m.advice(c, w, limit))
}

// advice says what would fit.
func (m Memory) advice(c backbone.Config, w Work, limit int64) string {
	alone := w
	alone.Rows = 0
	if a, err := EstimateMemory(c, alone); err != nil || a.Total() > limit { // not even the weights
		for _, less := range []struct{ dtype, quantize, words string }{
			{"bf16", w.Quantize, "take bf16 instead of f32, or a smaller model"},
			{w.DType, QuantizeInt8, "quantize to int8, or take a smaller model"},
			{"bf16", QuantizeInt8, "take bf16 and quantize to int8, or take a smaller model"},
		} {
			alone.DType, alone.Quantize = less.dtype, less.quantize
			if a, err := EstimateMemory(c, alone); err == nil && a.Total() <= limit {
				return less.words
			}
		}
		return "take a smaller model"
	}
	for less := w; less.Rows > 1; {
		less.Rows /= 2
		if a, err := EstimateMemory(c, less); err == nil && a.Total() <= limit {
			return fmt.Sprintf("lower batch_tokens from %d to %d", w.Rows*w.RowTokens, less.Rows*less.RowTokens)
		}
	}
	return fmt.Sprintf("not even one row fits: lower row_tokens from %d, and the length of sequences with it", w.RowTokens)
}

// String is the work in words.
func (w Work) String() string {
	what := "scoring"
	if w.Train {
		what = "training on"
	}
	if w.Rows == 0 {
		return "loading the weights"
	}
	if w.Rows == 1 {
		return fmt.Sprintf("%s a row of %d tokens", what, w.RowTokens)
	}
	return fmt.Sprintf("%s %d rows of %d tokens", what, w.Rows, w.RowTokens)
}

// String is the estimate's parts in words.
func (m Memory) String() string {
	s := "weights " + gigabytes(m.Weights)
	for _, p := range []struct {
		name  string
		bytes int64
	}{{"kept activations", m.Kept}, {"attention", m.Attention}, {"temporary", m.Temporary}, {"slack", m.Slack}, {"program", m.Fixed}} {
		if p.bytes > 0 {
			s += ", " + p.name + " " + gigabytes(p.bytes)
		}
	}
	return s
}

func gigabytes(n int64) string { return fmt.Sprintf("%.2f GB", float64(n)/1e9) }

// limit is the number of bytes that may be taken, 0 where there is no bound: the option's, or that of the host for devices that compute
// in its memory.
func (o Options) limit(b compute.Backend) int64 {
	if o.MemoryLimit != 0 || !b.HasSharedBuffers() {
		return max(0, o.MemoryLimit)
	}
	limit, ok := hostmemory.Limit()
	if !ok {
		return 0
	}
	return limit
}

// fits is CheckMemory for a batch of this engine that computes some layers, all of them backwards too when it trains.
func (e *Engine) fits(rows, rowTokens int, band backbone.Band, layers int, train bool) error {
	w := Work{DType: e.options.DType, Quantize: e.options.Quantize, Rows: rows, RowTokens: rowTokens, Train: train, Layers: layers, Keys: band.Keys(), AtOnce: executors(e.backend)}
	if e.backend.HasSharedBuffers() { // else each device has memory of its own
		w.Devices = e.options.Devices
	}
	return CheckMemory(e.model.Config, w, e.options.limit(e.backend))
}
