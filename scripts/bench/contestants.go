package main

import (
	"errors"
	"path/filepath"

	"lsat/device"
	"lsat/engine"
)

// The groups: contestants of one group take turns in the same rounds.
const (
	trainGroup  = "train"
	scoreGroup  = "score"
	rerankGroup = "rerank"
	startGroup  = "start"
	aucGroup    = "auc"
)

// contestant is one kind of work by one program.
type contestant struct {
	name    string
	group   string
	command func(o options) []string
	prompts string // the file of prompts
	// adapters is how many of the benchmark's adapters it loads, and top how many layers, the uppermost ones, they have; 0 means all.
	adapters, top int
	// quantize is engine.Options', for lsat.
	quantize string
	// shares says that it computes once what neighbours in the order of their tokens begin with, and so takes such ones: torch's programs pad each prompt to a
	// batch's longest and take those of one length.
	shares bool
	// kept says that what the layers below the adapters make of the prompts is there already, as from a second epoch on.
	kept bool
	// sweeps says that its best batch size has to be found, and where it is torch's, whether compiling helps.
	sweeps bool
	// llama says that it runs llama.cpp, which has its own files of model and adapter.
	llama bool
	// torch says that it wants the model as safetensors.
	torch bool
	// compiles says that it compiles programs for the lengths that it meets.
	compiles bool
	// only is the device that it is measured on; empty for all.
	only string
}

func lsat(kind string) func(options) []string {
	return func(o options) []string { return []string{o.self, "worker", kind} }
}

func torchPeer(kind string) func(options) []string {
	return func(o options) []string { return []string{o.python, filepath.Join(o.peers, "torch_peer.py"), kind} }
}

func llamaPeer(kind string) func(options) []string {
	return func(o options) []string { return []string{o.python, filepath.Join(o.peers, "llama_peer.py"), kind} }
}

func vllmPeer(o options) []string { return []string{o.python, filepath.Join(o.peers, "vllm_peer.py")} }

// The contestants' names.
const (
	lsatTrainTallrec = "lsat train tallrec"
	lsatTrainInt8    = "lsat train tallrec, int8"
	lsatTrainKept    = "lsat train tallrec, upper 18 layers over kept states"
	lsatTrainStream  = "lsat train stream"
	lsatScoreTallrec = "lsat score tallrec"
	lsatScoreInt8    = "lsat score tallrec, int8"
	lsatScoreStream  = "lsat score stream"
	lsatEnsemble     = "lsat score stream, two adapters"
	lsatEnsembleTop  = "lsat score stream, two adapters of the upper 18 layers"
	lsatRerank       = "lsat rerank"
	lsatStart        = "lsat start"
	peftTrain        = "PEFT train tallrec"
	peftTrainTop     = "PEFT train tallrec, upper 18 layers"
	published        = "TALLRec as published"
	transformers     = "Transformers score tallrec"
	transformersInt8 = "Transformers score tallrec, int8"
	llamaScore       = "llama.cpp score tallrec"
	llamaRerank      = "llama.cpp rerank"
	vllmScore        = "vLLM score tallrec"
	peftStart        = "PEFT start"
	peak             = "machine's peak"
)

var contestants = []contestant{
	{name: lsatTrainTallrec, group: trainGroup, command: lsat("train"), prompts: tallrecTrain, shares: true, compiles: true},
	{name: peftTrain, group: trainGroup, command: torchPeer("train"), prompts: tallrecTrain, sweeps: true, torch: true},
	{name: lsatTrainInt8, group: trainGroup, command: lsat("train"), prompts: tallrecTrain, quantize: engine.QuantizeInt8, shares: true, compiles: true, only: device.XLACPU},
	{name: lsatTrainKept, group: trainGroup, command: lsat("train"), prompts: tallrecTrain, top: topLayers, shares: true, kept: true, compiles: true},
	{name: peftTrainTop, group: trainGroup, command: torchPeer("train"), prompts: tallrecTrain, top: topLayers, sweeps: true, torch: true},
	{name: lsatTrainStream, group: trainGroup, command: lsat("train"), prompts: streamTrain, compiles: true},
	{name: published, group: trainGroup, command: torchPeer("published"), prompts: tallrecTrain, sweeps: true, torch: true},
	{name: peak, group: trainGroup, command: lsat("peak")},

	{name: lsatScoreTallrec, group: scoreGroup, command: lsat("score"), prompts: tallrecTrain, adapters: 1, shares: true, compiles: true},
	{name: transformers, group: scoreGroup, command: torchPeer("score"), prompts: tallrecTrain, adapters: 1, sweeps: true, torch: true},
	{name: lsatScoreInt8, group: scoreGroup, command: lsat("score"), prompts: tallrecTrain, adapters: 1, quantize: engine.QuantizeInt8, shares: true, compiles: true, only: device.XLACPU},
	{name: transformersInt8, group: scoreGroup, command: torchPeer("score-int8"), prompts: tallrecTrain, adapters: 1, sweeps: true, torch: true, only: device.XLACPU},
	{name: lsatScoreStream, group: scoreGroup, command: lsat("score"), prompts: streamTrain, adapters: 1, compiles: true},
	{name: llamaScore, group: scoreGroup, command: llamaPeer("score"), prompts: tallrecTrain, adapters: 1, shares: true, llama: true, only: device.XLACPU},
	{name: vllmScore, group: scoreGroup, command: vllmPeer, prompts: tallrecTrain, adapters: 1, shares: true, torch: true, only: device.XLACUDA},
	{name: lsatEnsemble, group: scoreGroup, command: lsat("score"), prompts: streamTrain, adapters: 2, compiles: true},
	{name: lsatEnsembleTop, group: scoreGroup, command: lsat("score"), prompts: streamTrain, adapters: 2, top: topLayers, compiles: true},
	{name: peak, group: scoreGroup, command: lsat("peak")},

	{name: lsatRerank, group: rerankGroup, command: lsat("rerank"), prompts: rerankLists, adapters: 1, compiles: true},
	{name: llamaRerank, group: rerankGroup, command: llamaPeer("rerank"), prompts: rerankLists, adapters: 1, llama: true, only: device.XLACPU},

	{name: lsatStart, group: startGroup, command: lsat("train"), prompts: tallrecTrain},
	{name: peftStart, group: startGroup, command: torchPeer("train"), prompts: tallrecTrain, torch: true},
}

// on says whether it is measured on a device.
func (c contestant) on(device string) bool { return c.only == "" || c.only == device }

// ofGroup lists a group's contestants on a device.
func ofGroup(group, device string) []contestant {
	var out []contestant
	for _, c := range contestants {
		if c.group == group && c.on(device) {
			out = append(out, c)
		}
	}
	return out
}

// open starts a contestant's process and has it load everything. adapters replaces the benchmark's own, where given.
func (b *bench) open(c contestant, adapters []string) (*worker, answer, error) {
	return b.load(c, adapters, b.state.Sweeps[c.name].compile())
}

// load is open with the model compiled by torch, or not.
func (b *bench) load(c contestant, adapters []string, compile bool) (*worker, answer, error) {
	if c.llama && b.options.model != "" {
		return nil, answer{}, errors.New("llama.cpp measures the catalogue's model only")
	}
	w, err := startWorker(c.name, b.log, c.command(b.options)...)
	if err != nil {
		return nil, answer{}, err
	}
	if adapters == nil {
		for k := range c.adapters {
			adapters = append(adapters, b.adapter(k, c.top, c.llama))
		}
	}
	model := b.model
	if c.torch {
		model = b.torchModel()
	}
	r := request{Op: "load", Model: model, Device: b.state.Device, DType: b.state.DType, Threads: b.state.Threads, Adapters: adapters, Compile: compile, Quantize: c.quantize}
	if c.group == trainGroup {
		r.TopLayers = c.top
	}
	if c.kept {
		r.Hidden = filepath.Join(b.options.out, "hidden")
	}
	if c.prompts != "" {
		r.Prompts = b.promptsPath(c.prompts)
	}
	if c.llama {
		r.Server = b.options.server
	}
	a, err := w.ask(r)
	if err != nil {
		w.close()
		return nil, answer{}, err
	}
	if a.Version != "" {
		b.state.Versions[c.name] = a.Version
	}
	return w, a, nil
}

func (b *bench) promptsPath(name string) string {
	return filepath.Join(b.options.out, "prompts", name+".json")
}
