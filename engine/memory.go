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
	// Weights is what the frozen weights take on the device, HostWeights what of them was converted in the host's memory while loading.
	Weights, HostWeights int64
	// Kept is what a training step keeps of every layer for the way back, but for Attention: the scores and probabilities, which grow with the square of a row.
	Kept, Attention int64
	// Temporary is the largest intermediate results, which a layer leaves to the next.
	Temporary int64
	// Slack is what the C library's allocator holds beyond that, and what products in an emulated type take.
	Slack int64
	// Fixed is the process, the compiler and its programs.
	Fixed int64
}

// Total is the sum.
func (m Memory) Total() int64 {
	total := int64(0)
	for _, v := range []int64{m.Weights, m.HostWeights, m.Kept, m.Attention, m.Temporary, m.Slack, m.Fixed} {
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
	// Rows of RowTokens tokens are in one batch. None means loading alone.
	Rows, RowTokens int
	// Train says that gradients are wanted.
	Train bool
	// Layers is the number of layers that are computed, the uppermost ones. 0 means all.
	Layers int
	// Keys is the number of tokens that attention compares each token with. 0 means a whole row.
	Keys int
}

// FullBatch is the work of one batch as large as the options allow.
func (o Options) FullBatch(train bool) Work {
	full := o.withDefaults()
	return Work{DType: o.DType, Rows: max(1, full.BatchTokens/max(1, full.RowTokens)), RowTokens: full.RowTokens, Train: train}
}

// What XLA plans for the graph of package backbone, in multiples of a batch's tokens: its own account of temporary memory for the shapes of
// SmolLM2-135M, Llama 2 7B and Mistral 7B in both types, with rows of 64 to 2048 tokens.
const (
	// Kept by each layer: numbers of hidden and of feed-forward width in the type of the activations and in float32, ...
	keptHidden, keptFFN     = 3, 3
	keptHidden32, keptFFN32 = 4, 1
	keptKeyValue            = 2 // ... of the keys' width, ...
	keptScores              = 2 // ... and of heads x row.
	// Temporary in the largest layer of a scoring run: numbers of feed-forward width in the type of the activations, and bytes for each number of
	// hidden width and of heads x row.
	temporaryFFN, temporaryHidden, temporaryScores = 3, 6, 8
)

// What a process takes beyond that, from the peaks of whole runs (TestEstimateMeetsMeasuredPeaks).
const (
	fixedBytes, layerBytes = 150_000_000, 15_000_000
	trainSlack             = .45 // of what is kept, in float32
	scoreSlack             = 10  // of what is temporary, in float32, ...
	scoreSlackBytes        = 600_000_000
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
	m := Memory{Fixed: fixedBytes + layerBytes*int64(c.Layers)}
	elements := 0.
	for name, shape := range c.Shapes() {
		if name == "head" { // only two rows of it are used
			continue
		}
		n := 1.
		for _, d := range shape {
			n *= float64(d)
		}
		elements += n
	}
	m.Weights = whole(elements * size)
	tokens := float64(w.Rows) * float64(w.RowTokens)
	if tokens <= 0 {
		return m, nil
	}
	// Half of the tensors of hidden width are in fact as wide as all heads together.
	hidden, ffn, kv := float64(c.Hidden+c.Heads*c.HeadDim)/2, float64(c.FFN), float64(c.KVHeads*c.HeadDim)
	scores := float64(c.Heads) * float64(w.RowTokens)
	if w.Keys > 0 && w.Keys < w.RowTokens {
		scores = float64(c.Heads) * float64(w.Keys)
	}
	converted := 0. // the largest product's weights, where bfloat16 is emulated
	if size < 4 {
		converted = 4 * 2 * ffn * float64(c.Hidden)
	}
	// A scoring run, where all is temporary, one layer's at a time.
	scoring := m
	scoring.Attention = whole(tokens * temporaryScores * scores)
	scoring.Temporary = whole(tokens * (size*temporaryFFN*ffn + temporaryHidden*hidden))
	slack := scoreSlack * tokens * (temporaryScores*scores + 4*temporaryFFN*ffn + temporaryHidden*hidden)
	scoring.Slack = whole(converted + min(slack, scoreSlackBytes))
	if !w.Train {
		return scoring, nil
	}
	layers := float64(c.Layers)
	if w.Layers > 0 && w.Layers < c.Layers {
		layers = float64(w.Layers)
	}
	kept := func(size float64) float64 {
		return tokens * layers * (size*(keptHidden*hidden+keptKeyValue*kv+keptFFN*ffn) + 4*(keptHidden32*hidden+keptFFN32*ffn))
	}
	attention := func(size float64) float64 { return tokens * layers * size * keptScores * scores }
	m.Kept, m.Attention = whole(kept(size)), whole(attention(size))
	m.Slack = whole(converted + trainSlack*(kept(4)+attention(4)))
	if m.Total() < scoring.Total() { // a few layers keep less than one leaves to the next
		return scoring, nil
	}
	return m, nil
}

// whole is v as an integer, or the largest one where it is out of reach.
func whole(v float64) int64 {
	if v >= math.MaxInt64/8 {
		return math.MaxInt64 / 8
	}
	return int64(v)
}

// CheckMemory returns an error that wraps ErrMemory if the estimate for a model and a kind of work, and hostWeights bytes of weights that
// stay in the host's memory, is above the limit. A limit of 0 or less is none.
func CheckMemory(c backbone.Config, w Work, hostWeights, limit int64) error {
	m, err := EstimateMemory(c, w)
	if err != nil || limit <= 0 {
		return err
	}
	m.HostWeights = hostWeights
	if m.Total() <= limit {
		return nil
	}
	return fmt.Errorf("engine: %w: %s takes about %s (%s), the limit is %s; %s", ErrMemory, w, gigabytes(m.Total()), m, gigabytes(limit), m.advice(c, w, limit))
}

// advice says what would fit.
func (m Memory) advice(c backbone.Config, w Work, limit int64) string {
	alone := w
	alone.Rows = 0
	if a, err := EstimateMemory(c, alone); err != nil || a.Total()+m.HostWeights > limit { // not even the weights
		alone.DType = "bf16"
		if a, err := EstimateMemory(c, alone); err == nil && a.Total()+m.HostWeights <= limit {
			return "take bf16 instead of f32, or a smaller model"
		}
		return "take a smaller model"
	}
	for less := w; less.Rows > 1; {
		less.Rows /= 2
		if a, err := EstimateMemory(c, less); err == nil && a.Total()+m.HostWeights <= limit {
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
	}{{"converted weights on the host", m.HostWeights}, {"kept activations", m.Kept}, {"attention", m.Attention}, {"temporary", m.Temporary}, {"slack", m.Slack}, {"program", m.Fixed}} {
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

// fits is CheckMemory for a batch of this engine.
func (e *Engine) fits(rows, rowTokens int, sig signature) error {
	w := Work{DType: e.options.DType, Rows: rows, RowTokens: rowTokens, Train: sig.train, Layers: e.model.Config.Layers - sig.from, Keys: sig.band.Keys()}
	return CheckMemory(e.model.Config, w, hostWeights(e.model), e.options.limit(e.backend))
}

// hostWeights is the number of bytes of a model's weights that lie in the host's memory rather than in mapped files.
func hostWeights(m *backbone.Model) int64 {
	n := int64(0)
	for _, w := range m.Weights {
		if !w.Mapped() {
			n += int64(len(w.Bytes))
		}
	}
	return n
}
