package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/prompt"
)

// ErrNotFinite says that a log-odds or a gradient is not a number or is infinite.
var ErrNotFinite = errors.New("result is not finite")

// ErrDevices says that a backend has fewer devices than were asked for.
var ErrDevices = errors.New("too few devices")

// Options configure an engine. The zero value of a field means its default.
type Options struct {
	// DType is the type of weights and activations: "bf16" or "f32". Default "f32"; device.DType gives a device's fastest.
	DType string
	// Quantize is how the products of the frozen weights are computed: "none", in DType, or "int8", in 8-bit integers, every output's
	// weights and every token's activations with a scale of their own. The rest, the adapters' products among it, stays in DType. Default "none".
	Quantize string
	// RowTokens is the length of a packed row. Default 512. Longer sequences get rows of their own, of the next power of two.
	RowTokens int
	// BatchTokens bounds the tokens of one run of a program, and with them memory: where it is given, a sequence whose row is longer is
	// refused. Default 1024, or the row of a longer sequence; on a GPU up to 8192, as its memory allows. Where it is left out, prompts that share a
	// long header are scored in rows of twice as many.
	BatchTokens int
	// Devices is how many of the backend's devices work side by side, each with the whole model and batches of its own; gradients
	// are added up in the order of the batches, so that results do not depend on it. Default 1.
	Devices int
	// MemoryLimit is the number of bytes that weights and batches may take by estimate; what would take more is refused. Default: the
	// host's memory, for devices that compute in it. Negative means no limit.
	MemoryLimit int64
}

// What Options.Quantize takes.
const (
	QuantizeNone = "none"
	QuantizeInt8 = "int8"
)

// Quantizations lists what Options.Quantize takes.
func Quantizations() []string { return []string{QuantizeNone, QuantizeInt8} }

// withDefaults fills in what is left out, but for the limit, which depends on the device.
func (o Options) withDefaults() Options {
	if o.DType == "" {
		o.DType = "f32"
	}
	if o.Quantize == "" {
		o.Quantize = QuantizeNone
	}
	if o.RowTokens == 0 {
		o.RowTokens = 512
	}
	if o.BatchTokens == 0 {
		o.BatchTokens = max(1024, o.RowTokens)
	}
	if o.Devices == 0 {
		o.Devices = 1
	}
	return o
}

// widestBatch is the default of BatchTokens on a device with memory of its own, a GPU: fewer tokens leave its processors idle.
const widestBatch = 8192

// wideBatch is the largest batch, of widestBatch tokens or of halves of it down to the options' own, that trains within the limit.
func (o Options) wideBatch(c backbone.Config) int {
	least := o.BatchTokens
	o.Devices = 1 // each has memory of its own, and results must not depend on how many there are
	for wide := widestBatch; wide > least; wide /= 2 {
		o.BatchTokens = wide
		if CheckMemory(c, o.FullBatch(true), o.MemoryLimit) == nil {
			return wide
		}
	}
	return least
}

// CheckDevices returns an error that wraps ErrDevices if a backend has fewer devices than the options ask for.
func (o Options) CheckDevices(b compute.Backend) error {
	o = o.withDefaults()
	if there := b.NumDevices(); o.Devices < 1 || o.Devices > there {
		return fmt.Errorf("engine: %d devices asked for, %s has %d: %w", o.Devices, b.Name(), there, ErrDevices)
	}
	return nil
}

// Engine is a backbone on one or more devices. It is safe for concurrent use; runs on a device go one after another.
type Engine struct {
	model    *backbone.Model
	backend  compute.Backend
	options  Options
	dtype    dtypes.DType
	replicas []*replica
	mu       sync.Mutex // programs
	programs map[signature]*graph.Exec
	longest  int  // tokens of the longest row that the caller's BatchTokens lets through; 0 where it was left open
	stretch  bool // rows of twice BatchTokens may be scored
	byRows   bool // tests compare attention by blocks with attention over whole rows
}

// replica is the frozen model on one device, or one of several executors that share it there.
type replica struct {
	index   int // among the engine's
	number  compute.DeviceNum
	weights *deviceWeights
	running sync.Mutex
}

// goExecutors is how many batches the Go backend runs side by side: it computes on one core each (package device), so a
// call's tokens are cut into so many batches at least. It does not follow the machine's cores: how batches are cut decides a result's last bits.
const goExecutors = 2

// executors is how many batches a device runs side by side. XLA uses all cores by itself.
func executors(b compute.Backend) int {
	if b.Name() == backbone.GoBackend {
		return goExecutors
	}
	return 1
}

var _ Runner = (*Engine)(nil)

// New puts a model on a backend. The model may be closed afterwards only together with the engine: answer rows are read from it.
func New(ctx context.Context, m *backbone.Model, b compute.Backend, opts Options) (*Engine, error) {
	longest := opts.BatchTokens
	opts = opts.withDefaults()
	if longest == 0 && !b.HasSharedBuffers() {
		opts.BatchTokens = opts.wideBatch(m.Config)
	}
	if opts.RowTokens < 1 || opts.BatchTokens < opts.RowTokens {
		return nil, fmt.Errorf("engine: rows of %d tokens in batches of %d: both must be positive and a row must fit a batch", opts.RowTokens, opts.BatchTokens)
	}
	if err := opts.CheckDevices(b); err != nil {
		return nil, err
	}
	dtype, err := parseDType(opts.DType)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(Quantizations(), opts.Quantize) {
		return nil, fmt.Errorf("engine: quantization %q is unknown: use %s", opts.Quantize, strings.Join(Quantizations(), " or "))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e := &Engine{model: m, backend: b, options: opts, dtype: dtype, programs: map[signature]*graph.Exec{}, longest: longest}
	if err := e.fits(0, 0, backbone.Band{}, 0, false); err != nil {
		return nil, err
	}
	e.stretch = longest == 0 && b.HasSharedBuffers() && e.fits(1, 2*opts.BatchTokens, backbone.Band{}, 0, false) == nil
	for n := range opts.Devices {
		w, err := uploadWeights(ctx, b, compute.DeviceNum(n), m, dtype, opts.Quantize == QuantizeInt8)
		if err != nil {
			e.Close()
			return nil, err
		}
		for range executors(b) {
			e.replicas = append(e.replicas, &replica{index: len(e.replicas), number: compute.DeviceNum(n), weights: w})
		}
	}
	return e, nil
}

// BackboneHash identifies the frozen model.
func (e *Engine) BackboneHash() string { return e.model.Hash }

// Numerics names backend, data type, batch shapes and how attention goes over them: what decides a result's last bits.
func (e *Engine) Numerics() string {
	dtype := e.options.DType
	if e.options.Quantize != QuantizeNone {
		dtype += " " + e.options.Quantize
	}
	return fmt.Sprintf("%s %s rows %d batch %d layers 3", e.backend.Name(), dtype, e.options.RowTokens, e.options.BatchTokens)
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
	batches := pack(seqs, e.packing(false, false))
	err = e.each(batches, func(r *replica, i int) (any, error) {
		return job.gradient(ctx, r, seqs, batches[i], uint32(seed^seed>>32)+uint32(i)*0x9E3779B9)
	}, func(_ int, result any) error {
		l := result.(lesson)
		loss += l.loss
		for k, v := range l.grad {
			grad[k] += v
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return 0, fmt.Errorf("engine: loss is %v: %w", loss, ErrNotFinite)
	}
	return loss, nil
}

// packing is how the sequences of a call become batches.
func (e *Engine) packing(wide, shrink bool) packing {
	return packing{rowTokens: e.options.RowTokens, batchTokens: e.options.BatchTokens, atOnce: executors(e.backend), byRows: e.byRows, wide: wide, shrink: shrink,
		tree: e.backend.HasSharedBuffers(), stretch: wide && e.stretch}
}

// Close frees the weights on the devices.
func (e *Engine) Close() {
	for _, p := range e.programs {
		p.Finalize()
	}
	for _, r := range e.replicas {
		r.weights.release() // those that executors share, twice, which does no harm
	}
}
