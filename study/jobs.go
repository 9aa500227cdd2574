package study

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lsat/adapter"
	"lsat/engine"
	"lsat/prompt"
	"lsat/strategy"
	"lsat/train"
)

// TrainFunc runs one job; train.Run is one.
type TrainFunc func(ctx context.Context, spec train.Spec, runner engine.Runner, data train.Data, init *adapter.Adapter, dir string, events func(train.Event)) (*train.Result, error)

// kept is the adapter that a job ends with: its own, or after a rollback the one it started from.
type kept struct {
	// name is what the plan calls it: its job's ID.
	name    string
	key     string
	adapter *adapter.Adapter
	// onPrior says that the adapter serves on top of the prior.
	onPrior bool
}

// spec says what decides the adapter of a job.
func (x *executor) spec(j *strategy.Job, seed uint64, init, prior, template string) train.Spec {
	hyper := x.c.Hyper.Long
	if j.Update {
		hyper = x.c.Hyper.Update
	}
	return train.Spec{
		Backbone: x.in.Runner.BackboneHash(),
		Numerics: x.in.Runner.Numerics(),
		Template: template,
		Train:    x.lists.train(j).slice(),
		Valid:    x.lists.valid(j.Valid).slice(),
		Init:     init,
		Prior:    prior,
		Adapter:  x.c.AdapterConfig(),
		Hyper:    hyper,
		Seed:     seed,
	}
}

// templateHash identifies what decides the tokens of sequences, beside their samples: the template, and where its texts hold more of the stream than the
// samples say, the tokens themselves.
func (x *executor) templateHash(parts ...prompt.Source) (string, error) {
	hash := x.in.Template.Hash()
	if c, ok := x.in.Template.(prompt.Counting); !ok || !c.Counts() {
		return hash, nil
	}
	for _, src := range parts {
		seqs, err := prompt.Read(src, 0, src.Len())
		if err != nil {
			return "", err
		}
		hash += "+" + prompt.HashTokens(seqs)
	}
	sum := sha256.Sum256([]byte(hash))
	return hex.EncodeToString(sum[:]), nil
}

func jobName(seed uint64, j *strategy.Job) string { return fmt.Sprintf("job/%d/%s", seed, j.ID()) }

// job returns the adapter that a job ends with, training it unless that is done already.
func (x *executor) job(ctx context.Context, j *strategy.Job, seed uint64) (kept, error) {
	name := jobName(seed, j)
	if k, ok := x.jobs[name]; ok {
		return k, nil
	}
	var from kept
	if j.Init != nil {
		var err error
		if from, err = x.job(ctx, j.Init, seed); err != nil {
			return kept{}, err
		}
	}
	title := fmt.Sprintf("training %s%s", j.ID(), x.seedText(seed))
	data, prior, err := x.data(ctx, j)
	if err != nil {
		return kept{}, fmt.Errorf("study: %s: %w", title, err)
	}
	template, err := x.templateHash(data.Train, data.Valid)
	if err != nil {
		return kept{}, fmt.Errorf("study: %s: %w", title, err)
	}
	spec := x.spec(j, seed, from.key, prior, template)
	key := spec.Key()
	dir := filepath.Join(x.dir, "jobs", key)
	_, statErr := os.Stat(filepath.Join(dir, "job.json"))
	reused := statErr == nil
	if !reused {
		if err := errors.Join(x.freezeSource(ctx, x.lists.train(j)), x.freezeSource(ctx, x.lists.valid(j.Valid))); err != nil {
			return kept{}, fmt.Errorf("study: %s: %w", title, err)
		}
	}
	x.meter.begin(name, title, spec.Train.Samples)
	r, err := x.in.Train(ctx, spec, x.in.Runner, data, from.adapter, dir, func(e train.Event) {
		x.meter.progress(e.Targets, e.TotalTargets)
	})
	if err != nil {
		return kept{}, fmt.Errorf("study: %s: %w", title, err)
	}
	k := kept{name: j.ID(), key: key, adapter: r.Adapter, onPrior: j.OnPrior}
	rolledBack := j.Rollback && !(r.ValidAUC > r.InitAUC)
	if rolledBack {
		k = from
		k.name = j.ID() // what was planned
	}
	if err := x.store.job(jobRow{Key: key, Name: j.ID(), Seed: seed, Kept: k.key, Result: *r}); err != nil {
		return kept{}, err
	}
	x.meter.end(name, reused, jobText(title, r, reused, rolledBack))
	x.jobs[name] = k
	return k, nil
}

func jobText(title string, r *train.Result, reused, rolledBack bool) string {
	how := fmt.Sprintf("%.0f s", r.Seconds)
	if reused {
		how = "found finished"
	}
	text := fmt.Sprintf("%s: %d samples, %d steps, validation AUC %.4f (before %.4f), %s", title, r.Spec.Train.Samples, r.Steps, r.ValidAUC, r.InitAUC, how)
	if rolledBack {
		text += ", rolled back"
	}
	return text
}

// data is a job's samples as sequences; on top of the prior, with its log-odds as offsets, whose hash is returned.
func (x *executor) data(ctx context.Context, j *strategy.Job) (d train.Data, prior string, err error) {
	d.Answers = x.in.Template.Answers()
	var hashes []string
	for _, part := range []struct {
		list *sampleList
		to   *prompt.Source
	}{{x.lists.train(j), &d.Train}, {x.lists.valid(j.Valid), &d.Valid}} {
		src, err := x.checked(part.list)
		if err != nil {
			return d, "", err
		}
		if j.OnPrior {
			var hash string
			if src, hash, err = x.onPrior(ctx, part.list, src); err != nil {
				return d, "", err
			}
			hashes = append(hashes, hash)
		}
		*part.to = src
	}
	return d, strings.Join(hashes, "+"), nil
}

func (x *executor) seedText(seed uint64) string {
	if len(x.c.Seeds) == 1 {
		return ""
	}
	return fmt.Sprintf(" (seed %d)", seed)
}
