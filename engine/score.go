package engine

import (
	"context"
	"errors"
	"fmt"
	"math"

	"lsat/adapter"
	"lsat/prompt"
)

// How many sequences are packed at once, so that memory does not grow with the number of samples: more of those without a window, of which
// the more begin alike the more there are.
const chunk, chunkOfTrees = 2048, 8192

func chunkOf(seqs []prompt.Sequence) int {
	for i := range seqs {
		if windowed(&seqs[i]) {
			return chunk
		}
	}
	return chunkOfTrees
}

// Score implements Runner.
func (e *Engine) Score(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, progress Progress) ([][]float64, error) {
	each, err := e.ScoreEach(ctx, seqs, ans, []*adapter.Adapter{a}, progress)
	if err != nil {
		return nil, err
	}
	return each[0], nil
}

// ScoreEach is Score for several adapters over the same sequences, such as the two of LSAT-EN: the log-odds of every target by adapter and
// sequence, bit for bit those of Score. The layers below the lowest one that any of them adapts are computed once for all.
func (e *Engine) ScoreEach(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, adapters []*adapter.Adapter, progress Progress) ([][][]float64, error) {
	if len(adapters) == 0 {
		return nil, errors.New("engine: no adapter to score with: nil stands for the bare backbone")
	}
	var jobs []*job
	defer func() {
		for _, j := range jobs {
			j.close()
		}
	}()
	for _, a := range adapters {
		j, err := e.start(seqs, ans, a, false, 0)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	out := make([][][]float64, len(jobs))
	for k := range out {
		out[k] = make([][]float64, len(seqs))
		for i := range seqs {
			out[k][i] = make([]float64, len(seqs[i].Targets))
		}
	}
	total, done := countTargets(seqs), 0
	chunk := chunkOf(seqs)
	for lo := 0; lo < len(seqs); lo += chunk {
		part := seqs[lo:min(lo+chunk, len(seqs))]
		batches := pack(part, e.packing(true, len(seqs) <= chunk))
		err := e.each(batches, func(r *replica, i int) (any, error) { return scoreBatch(ctx, jobs, r, part, batches[i]) }, func(i int, result any) error {
			b := batches[i]
			for n, odds := range result.([][]float32) {
				for k, p := range b.places {
					v := float64(odds[k])
					if math.IsNaN(v) || math.IsInf(v, 0) {
						return fmt.Errorf("engine: log-odds of sequence %d (sample %d) is %v: %w", lo+p.sequence,
							part[p.sequence].Targets[p.target].Sample, v, ErrNotFinite)
					}
					out[n][lo+p.sequence][p.target] = v
				}
			}
			done += len(b.places)
			if progress != nil {
				progress(done, total)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scoreBatch returns the log-odds of a batch's targets for every job. Jobs that start at the same layer go up together as far as none of them has
// an adapter.
func scoreBatch(ctx context.Context, jobs []*job, r *replica, seqs []prompt.Sequence, b *batch) ([][]float32, error) {
	var out [][]float32
	for lo := 0; lo < len(jobs); {
		hi, fork := lo+1, jobs[lo].lowest()
		for ; hi < len(jobs) && jobs[hi].from == jobs[lo].from; hi++ {
			fork = min(fork, jobs[hi].lowest())
		}
		odds, err := scoreTogether(ctx, jobs[lo:hi], max(fork, jobs[lo].from), r, seqs, b)
		if err != nil {
			return nil, err
		}
		out, lo = append(out, odds...), hi
	}
	return out, nil
}

// scoreTogether computes the layers below fork once.
func scoreTogether(ctx context.Context, jobs []*job, fork int, r *replica, seqs []prompt.Sequence, b *batch) ([][]float32, error) {
	stem, err := jobs[0].pass(ctx, r, seqs, b, 0)
	if err != nil {
		return nil, err
	}
	defer stem.close()
	if err := stem.climb(ctx, stem.job.from, fork, fork); err != nil {
		return nil, err
	}
	out := make([][]float32, len(jobs))
	for k, j := range jobs {
		if out[k], err = stem.branch(j).logOdds(ctx, fork); err != nil {
			return nil, err
		}
	}
	return out, nil
}
