package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/prompt"
)

// ErrNotFinite says that a log-odds or a gradient is not a number or is infinite.
var ErrNotFinite = errors.New("result is not finite")

// Options configure an engine. The zero value of a field means its default.
type Options struct {
	// DType is the type of weights and activations: "bf16" or "f32". Default "f32"; device.DType gives a device's fastest.
	DType string
	// RowTokens is the length of a packed row. Default 512. Longer sequences get rows of their own, of the next power of two.
	RowTokens int
	// BatchTokens bounds the tokens of one run of a program, and with them memory: where it is given, a sequence whose row is longer is
	// refused. Default 2048, or the row of a longer sequence.
	BatchTokens int
	// MemoryLimit is the number of bytes that weights and batches may take by estimate; what would take more is refused. Default: the
	// host's memory, for devices that compute in it. Negative means no limit.
	MemoryLimit int64
}

// withDefaults fills in what is left out, but for the limit, which depends on the device.
func (o Options) withDefaults() Options {
	if o.DType == "" {
		o.DType = "f32"
	}
	if o.RowTokens == 0 {
		o.RowTokens = 512
	}
	if o.BatchTokens == 0 {
		o.BatchTokens = max(2048, o.RowTokens)
	}
	return o
}

// Engine is a backbone on a device. It is safe for concurrent use; runs go one after another.
type Engine struct {
	model    *backbone.Model
	backend  compute.Backend
	options  Options
	dtype    dtypes.DType
	weights  *deviceWeights
	mu       sync.Mutex // programs
	programs map[signature]*graph.Exec
	running  sync.Mutex
	longest  int  // tokens of the longest row that the caller's BatchTokens lets through; 0 where it was left open
	byRows   bool // tests compare attention by blocks with attention over whole rows
}

var _ Runner = (*Engine)(nil)

// New puts a model on a backend. The model may be closed afterwards only together with the engine: answer rows are read from it.
func New(ctx context.Context, m *backbone.Model, b compute.Backend, opts Options) (*Engine, error) {
	longest := opts.BatchTokens
	opts = opts.withDefaults()
	if opts.RowTokens < 1 || opts.BatchTokens < opts.RowTokens {
		return nil, fmt.Errorf("engine: rows of %d tokens in batches of %d: both must be positive and a row must fit a batch", opts.RowTokens, opts.BatchTokens)
	}
	dtype, err := parseDType(opts.DType)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e := &Engine{model: m, backend: b, options: opts, dtype: dtype, programs: map[signature]*graph.Exec{}, longest: longest}
	if err := e.fits(0, 0, signature{}); err != nil {
		return nil, err
	}
	e.weights, err = uploadWeights(ctx, b, m, dtype)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// BackboneHash identifies the frozen model.
func (e *Engine) BackboneHash() string { return e.model.Hash }

// Numerics names backend, data type, batch shapes and how attention goes over them: what decides a result's last bits.
func (e *Engine) Numerics() string {
	return fmt.Sprintf("%s %s rows %d batch %d bands 1", e.backend.Name(), e.options.DType, e.options.RowTokens, e.options.BatchTokens)
}

// AdapterShapes gives [out, in] of every projection that an adapter may change.
func (e *Engine) AdapterShapes() map[adapter.Key][2]int {
	out := map[adapter.Key][2]int{}
	short := map[string]string{"q_proj": "q", "k_proj": "k", "v_proj": "v", "o_proj": "o", "gate_proj": "gate", "up_proj": "up", "down_proj": "down"}
	for n := range e.model.Config.Layers {
		for _, m := range adapter.Modules() {
			if w, ok := e.model.Weights[fmt.Sprintf("layers.%d.%s", n, short[m])]; ok && len(w.Shape) == 2 {
				out[adapter.Key{Layer: n, Module: m}] = [2]int{w.Shape[0], w.Shape[1]}
			}
		}
	}
	return out
}

// chunk bounds how many sequences are packed at once, so that memory does not grow with the number of samples.
const chunk = 2048

// Score implements Runner.
func (e *Engine) Score(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, progress Progress) ([][]float64, error) {
	job, err := e.start(seqs, ans, a, false, 0)
	if err != nil {
		return nil, err
	}
	defer job.close()
	out := make([][]float64, len(seqs))
	total, done := countTargets(seqs), 0
	for i := range seqs {
		out[i] = make([]float64, len(seqs[i].Targets))
	}
	for lo := 0; lo < len(seqs); lo += chunk {
		part := seqs[lo:min(lo+chunk, len(seqs))]
		for _, b := range pack(part, e.packing(true, len(seqs) <= chunk)) {
			res, err := job.run(ctx, part, b, 0)
			if err != nil {
				return nil, err
			}
			scores, err := tensors.CopyFlatData[float32](res[0])
			release(res[0])
			if err != nil {
				return nil, fmt.Errorf("engine: reading log-odds: %w", err)
			}
			for k, p := range b.places {
				v := float64(scores[k])
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return nil, fmt.Errorf("engine: log-odds of sequence %d (sample %d) is %v: %w", lo+p.sequence,
						part[p.sequence].Targets[p.target].Sample, v, ErrNotFinite)
				}
				out[lo+p.sequence][p.target] = v
			}
			done += len(b.places)
			if progress != nil {
				progress(done, total)
			}
		}
	}
	return out, nil
}

func countTargets(seqs []prompt.Sequence) int {
	n := 0
	for i := range seqs {
		n += len(seqs[i].Targets)
	}
	return n
}

// Gradient implements Runner.
func (e *Engine) Gradient(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, dropout float64, seed uint64, grad []float32) (float64, error) {
	if a == nil {
		return 0, errors.New("engine: a gradient needs an adapter")
	}
	if want := a.NumParameters(); len(grad) != want {
		return 0, fmt.Errorf("engine: gradient buffer has %d places, the adapter %d parameters", len(grad), want)
	}
	if seed == 0 {
		dropout = 0
	}
	job, err := e.start(seqs, ans, a, true, dropout)
	if err != nil {
		return 0, err
	}
	defer job.close()
	loss := 0.0
	for i, b := range pack(seqs, e.packing(false, false)) {
		res, err := job.run(ctx, seqs, b, uint32(seed^seed>>32)+uint32(i)*0x9E3779B9)
		if err != nil {
			return 0, err
		}
		loss += float64(tensors.ToScalar[float32](res[0]))
		at := 0
		for _, r := range res[1:] {
			err = tensors.ConstFlatData(r, func(flat []float32) {
				for k, v := range flat {
					grad[at+k] += v
				}
				at += len(flat)
			})
			if err != nil {
				break
			}
		}
		for _, r := range res {
			release(r)
		}
		if err != nil {
			return 0, fmt.Errorf("engine: reading gradients: %w", err)
		}
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return 0, fmt.Errorf("engine: loss is %v: %w", loss, ErrNotFinite)
	}
	return loss, nil
}

// packing is how the sequences of a call become batches.
func (e *Engine) packing(wide, shrink bool) packing {
	return packing{rowTokens: e.options.RowTokens, batchTokens: e.options.BatchTokens, byRows: e.byRows, wide: wide, shrink: shrink}
}

// job is one call's state: its programs but for their bands, the weights of their layers, the adapter on the device, the answers' rows.
type job struct {
	engine  *Engine
	sig     signature
	keys    []adapter.Key
	weights []any
	factors []any
	heads   []float32
}

func (e *Engine) start(seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, train bool, dropout float64) (*job, error) {
	if err := check(seqs, e.model.Config.Vocab, e.model.Config.MaxSeq); err != nil {
		return nil, err
	}
	if err := e.checkRows(seqs); err != nil {
		return nil, err
	}
	from, err := e.from(seqs, a)
	if err != nil {
		return nil, err
	}
	j := &job{engine: e, sig: signature{from: from, train: train, dropout: dropout}}
	if j.heads, err = headRows(e.model, ans.Yes, ans.No); err != nil {
		return nil, err
	}
	if a != nil {
		if err := a.Check(e.AdapterShapes()); err != nil {
			return nil, fmt.Errorf("engine: the adapter does not fit %s: %w", e.model.Name, err)
		}
	}
	j.open(a)
	return j, nil
}

// open puts what does not change between batches on the device.
func (j *job) open(a *adapter.Adapter) {
	e := j.engine
	for _, i := range e.weights.between(j.sig.from, j.sig.until) {
		j.weights = append(j.weights, e.weights.tensors[i])
	}
	if a != nil {
		j.keys = a.Keys()
		j.sig.keys, j.sig.scale = fmt.Sprint(j.keys), a.Scale()
		for _, k := range j.keys {
			f := a.Layers[k]
			for _, m := range []adapter.Matrix{f.A, f.B} {
				j.factors = append(j.factors, tensors.FromFlatDataAndDimensions(m.Data, m.Rows, m.Cols))
			}
		}
	}
}

func (j *job) run(ctx context.Context, seqs []prompt.Sequence, b *batch, seed uint32) ([]*tensors.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e := j.engine
	sig := j.sig
	sig.band = b.band
	if err := e.fits(b.rows, b.time, sig); err != nil {
		return nil, err
	}
	program, err := e.program(j.keys, sig)
	if err != nil {
		return nil, err
	}
	e.running.Lock()
	defer e.running.Unlock()
	own := b.arguments(j.heads)
	if j.sig.from > 0 {
		hidden, err := e.hiddenStates(seqs, b)
		if err != nil {
			return nil, err
		}
		own = append(own, hidden)
	}
	if j.sig.train {
		own = append(own, b.lessons(seed)...)
	}
	defer release(own...)
	res, err := program.Call(slices.Concat(j.weights, j.factors, own)...)
	if err != nil {
		return nil, fmt.Errorf("engine: %d rows of %d tokens: %w", b.rows, b.time, err)
	}
	return res, nil
}

func (j *job) close() { release(j.factors...) }

// Close frees the weights on the device.
func (e *Engine) Close() {
	for _, p := range e.programs {
		p.Finalize()
	}
	for _, t := range e.weights.tensors {
		release(t)
	}
}
