package engine

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"

	"lsat/backbone"
	"lsat/prompt"
)

// pass is one batch's way through the layers on one device. It holds the tensors that stages hand on, and frees them.
type pass struct {
	job     *job
	replica *replica
	batch   *batch
	seed    uint32
	x       *tensors.Tensor
	lent    bool // x is another pass's, which frees it
	sights  []any
	kept    [][]any // by layer, from the lowest adapted one on: what its forward stage kept
}

// pass checks that a batch fits, and computes what comes before the layers.
func (j *job) pass(ctx context.Context, r *replica, seqs []prompt.Sequence, b *batch, seed uint32) (*pass, error) {
	e := j.engine
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.fits(b.rows, b.time, b.band, e.model.Config.Layers-j.lowest(), j.train); err != nil {
		return nil, err
	}
	p := &pass{job: j, replica: r, batch: b, seed: seed}
	grid := func(v []int32) any { return tensors.FromFlatDataAndDimensions(v, b.rows, b.time) }
	rows := []any{grid(b.positions), grid(b.segments), grid(b.ends), grid(b.steps), grid(b.lowest)}
	if b.band.Units > 0 {
		rows = append(rows, tensors.FromFlatDataAndDimensions(b.looks, b.rows, b.time/b.band.Block, b.band.Units))
	}
	defer release(rows...)
	if j.from > 0 {
		x, err := e.hiddenStates(r.number, seqs, b)
		if err != nil {
			return nil, err
		}
		p.x = x
		res, err := p.call(p.signature(resume), rows)
		if err != nil {
			release(x)
			return nil, err
		}
		p.sights = anys(res)
		return p, nil
	}
	tokens := grid(b.tokens)
	defer release(tokens)
	res, err := p.call(p.signature(begin), []any{r.weights.embed, tokens}, rows)
	if err != nil {
		return nil, err
	}
	p.x, p.sights = res[0], anys(res[1:])
	return p, nil
}

// branch is another job's pass that goes on where this one stands, on its sights. It ends, with logOdds, before this one is closed.
func (p *pass) branch(j *job) *pass {
	return &pass{job: j, replica: p.replica, batch: p.batch, seed: p.seed, x: p.x, sights: p.sights, lent: true}
}

// close frees what the pass still holds.
func (p *pass) close() {
	p.advance(nil)
	release(p.sights...)
	for _, k := range p.kept {
		release(k...)
	}
}

func (p *pass) signature(s stage) signature {
	return signature{stage: s, rows: p.batch.rows, time: p.batch.time, band: p.batch.band}
}

// layerSignature is a stage's signature for a layer.
func (p *pass) layerSignature(s stage, n int) signature {
	sig := p.signature(s)
	sig.weights = p.replica.weights.layers[n].names
	if f := p.job.layers[n]; f != "" {
		sig.modules, sig.scale, sig.dropout = f, p.job.scale, p.job.dropout
	}
	return sig
}

func (p *pass) call(sig signature, args ...[]any) ([]*tensors.Tensor, error) {
	program, err := p.job.engine.program(sig)
	if err != nil {
		return nil, err
	}
	var all []any
	for _, a := range args {
		all = append(all, a...)
	}
	res, _, err := program.CallWithGraphOnDevice(p.replica.number, all...)
	if err != nil {
		return nil, fmt.Errorf("engine: %s, %d rows of %d tokens: %w", sig.stage, p.batch.rows, p.batch.time, err)
	}
	return res, nil
}

// layerArguments are what every stage of a layer begins with.
func (p *pass) layerArguments(n int) []any {
	each := len(p.sights) / p.job.engine.model.Config.Kinds()
	kind := each * p.job.engine.model.Config.Kind(n)
	args := append([]any(nil), p.replica.weights.layers[n].tensors...)
	args = append(args, p.job.factors[p.replica.index][n]...)
	return append(args, p.sights[kind:kind+each]...)
}

func (p *pass) layerSeed(n int) any { return tensors.FromScalar(backbone.LayerSeed(p.seed, n)) }

// advance frees the hidden states, unless they are lent, for the next layer's.
func (p *pass) advance(x *tensors.Tensor) {
	if !p.lent {
		release(p.x)
	}
	p.x, p.lent = x, false
}

// climb runs the layers from the first of them up to, but not including, until; those from keepFrom on keep what the way back needs.
func (p *pass) climb(ctx context.Context, first, until, keepFrom int) error {
	for n := first; n < until; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		sig := p.layerSignature(forward, n)
		sig.keep = n >= keepFrom
		seed := p.layerSeed(n)
		res, err := p.call(sig, p.layerArguments(n), []any{p.x, seed})
		release(seed)
		if err != nil {
			return err
		}
		if sig.keep {
			p.kept = append(p.kept, append([]any{p.x}, anys(res[1:])...))
			p.x = res[0]
		} else {
			p.advance(res[0])
		}
	}
	return nil
}

// last runs the last layer with the answer, and with labels the loss and the way back through it.
func (p *pass) last(s stage) ([]*tensors.Tensor, error) {
	e, b := p.job.engine, p.batch
	n := e.model.Config.Layers - 1
	floats := func(v []float32) any { return tensors.FromFlatDataAndDimensions(v, len(v)) }
	own := []any{p.layerSeed(n), tensors.FromFlatDataAndDimensions(b.targets, len(b.targets)),
		tensors.FromFlatDataAndDimensions(p.job.heads, 2, len(p.job.heads)/2)}
	lessons := []any{}
	if s == turn {
		lessons = append(lessons, floats(b.labels), floats(b.weights), floats(b.offsets))
	}
	defer release(own...)
	defer release(lessons...)
	return p.call(p.layerSignature(s, n), p.layerArguments(n), []any{p.x}, own, []any{p.replica.weights.norm}, lessons)
}

// logOdds climbs on from a layer and returns the log-odds of the batch's targets. It ends the pass.
func (p *pass) logOdds(ctx context.Context, first int) ([]float32, error) {
	defer func() { p.advance(nil) }() // the sights are the stem's
	last := p.job.engine.model.Config.Layers - 1
	if err := p.climb(ctx, first, last, last); err != nil {
		return nil, err
	}
	res, err := p.last(score)
	if err != nil {
		return nil, err
	}
	defer release(res[0])
	out, err := tensors.CopyFlatData[float32](res[0])
	if err != nil {
		return nil, fmt.Errorf("engine: reading log-odds: %w", err)
	}
	return out, nil
}

// gradient returns the summed loss of the batch and the gradients of the factors, one flat array for each layer that has any.
func (p *pass) gradient(ctx context.Context) (loss *tensors.Tensor, grads [][]*tensors.Tensor, err error) {
	layers, lowest := p.job.engine.model.Config.Layers, p.job.lowest()
	last := layers - 1
	grads = make([][]*tensors.Tensor, layers)
	if err := p.climb(ctx, p.job.from, last, lowest); err != nil {
		return nil, nil, err
	}
	res, err := p.last(turn)
	if err != nil {
		return nil, nil, err
	}
	loss, dx := res[0], res[1]
	grads[last] = res[2:]
	for n := last - 1; n >= lowest; n-- {
		if err := ctx.Err(); err != nil {
			release(dx)
			return nil, nil, err
		}
		kept := p.kept[n-lowest]
		seed := p.layerSeed(n)
		res, err := p.call(p.layerSignature(backward, n), p.layerArguments(n), []any{seed}, kept, []any{dx})
		release(seed, dx)
		release(kept...)
		if err != nil {
			return nil, nil, err
		}
		p.kept = p.kept[:n-lowest]
		dx, grads[n] = res[0], res[1:]
	}
	release(dx)
	return loss, grads, nil
}

// states returns the hidden states at the input of a layer.
func (p *pass) states(ctx context.Context, layer int) (*tensors.Tensor, error) {
	if err := p.climb(ctx, p.job.from, layer, layer); err != nil {
		return nil, err
	}
	return p.x, nil
}

func anys(ts []*tensors.Tensor) []any {
	out := make([]any, len(ts))
	for i, t := range ts {
		out[i] = t
	}
	return out
}
