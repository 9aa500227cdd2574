package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"lsat/metric"
	"lsat/prompt"
)

// What both sides train with, once over the samples: targets in an optimizer step, and the seed. The rest are the defaults of train.Hyper,
// which are the paper's, and PEFT's worker has the same ones.
const (
	aucStep = 32
	aucSeed = 1
	// aucSlice is how many samples are scored between two savings of the state.
	aucSlice = 128
)

// runAUC trains an adapter on the same samples by either side's own template, and scores the next period's first samples.
func (b *bench) runAUC(ctx context.Context) error {
	if b.state.AUC == nil || b.state.AUC.Train != b.options.aucTrain || b.state.AUC.Test != b.options.aucTest {
		b.state.AUC = &quality{Train: b.options.aucTrain, Test: b.options.aucTest, Scores: map[string][]float64{}, Adapters: map[string]string{}}
	}
	q := b.state.AUC
	streamed, samples, _ := firstTargets(b.files[streamTrain].Sequences, q.Train)
	plain, err := samplesOf(b.files[tallrecTrain].Sequences, samples)
	if err != nil {
		return err
	}
	for _, side := range []struct {
		name    string
		indices []int
	}{{lsatTrainStream, streamed}, {peftTrain, plain}} {
		if q.Adapters[side.name] != "" {
			continue
		}
		if err := b.checkTime(ctx); err != nil {
			return err
		}
		c := named(side.name)
		dir := filepath.Join(b.options.out, "auc", map[bool]string{true: "peft", false: "lsat"}[c.torch])
		a, err := b.fit(c, request{Op: "fit", Indices: side.indices, Batch: max(1, b.state.Sweeps[side.name].Best), Step: aucStep, Seed: aucSeed, Out: dir})
		if err != nil {
			return blame(c, err)
		}
		b.say("auc: %s: %d samples in %.1f s, last loss %.4f", side.name, len(samples), a.Seconds, a.Loss)
		q.Adapters[side.name] = dir
		if err := b.state.save(); err != nil {
			return err
		}
	}
	return b.scoreNext(ctx, q)
}

// errPeerFails says that there is nothing to compare with. lsat's own failures are other errors.
var errPeerFails = errors.New("the peer fails")

func blame(c contestant, err error) error {
	if c.torch {
		return fmt.Errorf("%w: %w", errPeerFails, err)
	}
	return err
}

// fit lets a contestant train in a process of its own.
func (b *bench) fit(c contestant, r request) (answer, error) {
	w, _, err := b.open(c, nil)
	if err != nil {
		return answer{}, err
	}
	defer w.close()
	return w.ask(r)
}

// scoreNext scores the next period's samples by both sides.
func (b *bench) scoreNext(ctx context.Context, q *quality) error {
	streamed, samples, labels := firstTargets(b.files[streamTest].Sequences, q.Test)
	plain, err := samplesOf(b.files[tallrecTest].Sequences, samples)
	if err != nil {
		return err
	}
	q.Samples, q.Labels = samples, labels
	for _, side := range []struct{ name, trained, file string }{
		{lsatScoreStream, lsatTrainStream, streamTest}, {transformers, peftTrain, tallrecTest},
	} {
		if len(q.Scores[side.name]) == len(samples) {
			continue
		}
		c := named(side.name)
		c.prompts = side.file
		w, _, err := b.open(c, []string{q.Adapters[side.trained]})
		if err != nil {
			return blame(c, err)
		}
		defer w.close()
		indices, step := plain, aucSlice
		if side.file == streamTest {
			indices, step = streamed, len(streamed)
		}
		for at := len(q.Scores[side.name]); at < len(indices); at += step {
			if err := b.checkTime(ctx); err != nil {
				return err
			}
			a, err := w.ask(request{Op: "run", Indices: indices[at:min(at+step, len(indices))], Batch: max(1, b.state.Sweeps[side.name].Best), Passes: 1})
			if err != nil {
				return blame(c, err)
			}
			q.Scores[side.name] = append(q.Scores[side.name], a.LogOdds...)
			b.say("auc: %s: %d of %d scored", side.name, len(q.Scores[side.name]), len(samples))
			if err := b.state.save(); err != nil {
				return err
			}
		}
	}
	return nil
}

func named(name string) contestant {
	for _, c := range contestants {
		if c.name == name {
			return c
		}
	}
	return contestant{name: name}
}

// firstTargets takes the first sequences until they have n targets, and lists their targets' samples and labels in order.
func firstTargets(seqs []prompt.Sequence, n int) (indices []int, samples []int32, labels []bool) {
	for i := range seqs {
		if len(samples) >= n {
			break
		}
		indices = append(indices, i)
		for _, t := range seqs[i].Targets {
			samples = append(samples, t.Sample)
			labels = append(labels, t.Label)
		}
	}
	return indices, samples, labels
}

// samplesOf finds the sequences, of one target each, that have the given samples.
func samplesOf(seqs []prompt.Sequence, samples []int32) ([]int, error) {
	at := map[int32]int{}
	for i := range seqs {
		for _, t := range seqs[i].Targets {
			at[t.Sample] = i
		}
	}
	out := make([]int, len(samples))
	for k, s := range samples {
		i, ok := at[s]
		if !ok {
			return nil, fmt.Errorf("sample %d has no prompt of the other template", s)
		}
		out[k] = i
	}
	return out, nil
}

// compareAUC is DeLong's paired comparison, lsat first. ok is false where not everything is scored yet.
func (q *quality) compareAUC() (c metric.Comparison, ok bool, err error) {
	if q == nil || len(q.Samples) == 0 {
		return c, false, nil
	}
	a, p := q.Scores[lsatScoreStream], q.Scores[transformers]
	if len(a) != len(q.Labels) || len(p) != len(q.Labels) {
		return c, false, nil
	}
	c, err = metric.DeLongTest(a, p, q.Labels)
	return c, err == nil, err
}
