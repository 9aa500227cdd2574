// Command bench measures lsat against the programs that people use for the same work, in turns on the same machine, and writes what it finds to
// docs/BENCHMARKS.md. Raw rounds are kept, so that an interrupted benchmark goes on and the document can be written again.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/catalog"
	"lsat/device"
)

// backboneName is the model that everything is measured with, unless another one is given.
const backboneName = "smollm2-135m-instruct"

type options struct {
	rounds            int
	seconds           float64
	only              string
	out, doc          string
	python, server    string
	device            string
	model             string
	peers             string
	stopAfter         time.Duration
	compile           bool
	aucTrain, aucTest int
	render            bool
	self              string
}

// bench is a benchmark in progress.
type bench struct {
	options options
	state   *state
	log     io.Writer
	began   time.Time
	model   string
	config  backbone.Config
	files   map[string]*file
}

func main() {
	device.TuneAllocator()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 3 && os.Args[1] == "worker" {
		if err := serveLsat(ctx, os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rounds, "rounds", 5, "rounds of each group of rows")
	f.Float64Var(&o.seconds, "seconds", 20, "about how long the slowest peer at its best works in a round")
	f.StringVar(&o.only, "only", "", "rows of the table to measure, by number, with commas (default: all)")
	f.StringVar(&o.out, "out", "runs/bench", "directory of raw rounds, prompts and adapters")
	f.StringVar(&o.doc, "doc", "docs/BENCHMARKS.md", "the document to write")
	f.StringVar(&o.python, "python", ".venv/bench/bin/python", "Python that has the peers")
	f.StringVar(&o.server, "server", ".venv/bench/llama.cpp/build/bin/llama-server", "llama.cpp's server")
	f.StringVar(&o.device, "device", device.Auto, "what all compute on: auto, xla:cpu or xla:cuda, where llama.cpp is left out and vLLM measured")
	f.StringVar(&o.model, "model", "", "directory of another model, in safetensors, to measure with: llama.cpp is left out then (default: the catalogue's "+backboneName+")")
	f.StringVar(&o.peers, "peers", "scripts/bench/peers", "directory of the peers' workers")
	f.BoolVar(&o.compile, "compile", false, "try torch.compile for PyTorch's side, and use it where it helps: minutes for each process that compiles")
	f.DurationVar(&o.stopAfter, "stop-after", 0, "stop between two measurements after this time; the same command goes on (default: never)")
	f.IntVar(&o.aucTrain, "auc-train", 1000, "samples that both sides train on before their AUC is compared")
	f.IntVar(&o.aucTest, "auc-test", 2000, "samples of the next period that are scored for it")
	f.BoolVar(&o.render, "render", false, "only write the document again")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || o.rounds < 1 || !(o.seconds > 0) || o.aucTrain < 1 || o.aucTest < 1 {
		return o, errors.New("wants --rounds, --seconds, --auc-train and --auc-test above 0, and no arguments")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.render {
		s, err := readState(o.out)
		if err != nil {
			return err
		}
		return writeDocument(o.doc, s)
	}
	groups, err := groupsOf(o.only)
	if err != nil {
		return err
	}
	if o.self, err = os.Executable(); err != nil {
		return err
	}
	b := &bench{options: o, log: stderr, began: time.Now(), files: map[string]*file{}}
	if err := b.prepare(ctx, args); err != nil {
		return err
	}
	for _, g := range groups {
		if g == aucGroup {
			if err = b.runAUC(ctx); errors.Is(err, errPeerFails) && ctx.Err() == nil {
				b.say("the AUC is not compared: %v", err)
				err = nil
			}
		} else {
			err = b.runGroup(ctx, g)
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, writeDocument(o.doc, b.state))
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.log, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// groupsOf lists the groups that the rows asked for are made from, each once, in the order of the table.
func groupsOf(only string) ([]string, error) {
	var out []string
	for _, r := range table {
		wanted := only == ""
		for part := range strings.SplitSeq(only, ",") {
			if n, err := strconv.Atoi(strings.TrimSpace(part)); err == nil && n == r.number {
				wanted = true
			}
		}
		for _, g := range r.groups() {
			if wanted && !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("--only %s: no such row: they are numbered 1 to %d", only, table[len(table)-1].number)
	}
	return out, nil
}

// prepare gets model, ratings and prompts, opens the state, and writes the adapters that are scored with.
func (b *bench) prepare(ctx context.Context, args []string) error {
	for _, dir := range []string{"prompts", "auc"} {
		if err := os.MkdirAll(filepath.Join(b.options.out, dir), 0o755); err != nil {
			return err
		}
	}
	name := backboneName
	if b.model = b.options.model; b.model == "" {
		got, err := catalog.Pull(ctx, name, catalog.Options{})
		if err != nil {
			return err
		}
		b.model = got.Main
	} else {
		name = filepath.Base(b.model)
	}
	stream, data, err := openStream(ctx, func(s string) { b.say("%s", s) })
	if err != nil {
		return err
	}
	m, err := backbone.Load(ctx, b.model, backbone.Options{Name: name})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }() // it was only read
	b.config = m.Config
	key, err := keyOf(b.options, data, m.Hash)
	if err != nil {
		return err
	}
	var aside string
	if b.state, aside, err = resume(b.options.out, key); err != nil {
		return err
	}
	if aside != "" {
		b.say("lsat, the machine or the options have changed: measuring anew; the old rounds are in %s", aside)
	}
	s := b.state
	s.Machine, s.Data, s.Model, s.Threads = thisMachine(), data, name+" ("+m.Hash[:12]+")", runtime.NumCPU()
	s.Command = strings.TrimSpace("make bench " + strings.Join(args, " "))
	s.Date = time.Now().UTC().Format(time.DateOnly)
	s.Commit = commit(ctx)
	_, on, _, err := device.Open(b.options.device)
	if err != nil {
		return err
	}
	s.Device, s.DType = on, device.DType(on)
	if on == device.XLACUDA {
		s.Machine.GPU = gpu(ctx)
	}
	s.Versions["lsat"] = on
	if err := writePrompts(filepath.Join(b.options.out, "prompts"), stream, m.Tokenizer); err != nil {
		return err
	}
	for _, name := range []string{tallrecTrain, tallrecTest, streamTrain, streamTest, rerankLists} {
		if b.files[name], err = readFile(b.promptsPath(name)); err != nil {
			return err
		}
	}
	b.say("%s, %d and %d prompts", data, len(b.files[tallrecTrain].Sequences), len(b.files[streamTrain].Sequences))
	if err := b.writeAdapters(m); err != nil {
		return err
	}
	b.convert(ctx)
	return s.save()
}

// keyOf identifies what must be the same for rounds to belong together: this program with all of lsat in it, the machine, the model, the data,
// and which peers there are.
func keyOf(o options, data, model string) (string, error) {
	text, err := os.ReadFile(o.self)
	if err != nil {
		return "", err
	}
	_, noPython := os.Stat(o.python)
	_, noServer := os.Stat(o.server)
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %s %s %s %s %v %t %t", sha256.Sum256(text), thisMachine().CPU, o.device, data, model, o.seconds, noPython == nil, noServer == nil))
	return hex.EncodeToString(sum[:]), nil
}

// commit is the repository's, with a + where files are changed; empty without git.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty=+").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// topLayers is how many layers, the uppermost ones, the adapters have that leave the lower ones to be shared.
const topLayers = 18

// adapter is the path of one of the adapters that are scored with: of all layers, or of the top ones.
func (b *bench) adapter(k, top int, gguf bool) string {
	name := "adapter-" + strconv.Itoa(k+1)
	if top > 0 {
		name = fmt.Sprintf("top-%d-%s", top, name)
	}
	if gguf {
		name += ".gguf"
	}
	return filepath.Join(b.options.out, name)
}

// torchModel is the model as PyTorch's side reads it, without dequantizing.
func (b *bench) torchModel() string {
	if b.options.model != "" {
		return b.options.model
	}
	return filepath.Join(b.options.out, "model")
}

// writeAdapters writes two adapters that change the model a little, for PEFT and for llama.cpp, and two of the upper layers.
func (b *bench) writeAdapters(m *backbone.Model) error {
	for k := range 2 {
		for _, top := range []int{0, topLayers} {
			a, err := generatedAdapter(m.Config, top, uint64(k+1))
			if err != nil {
				return err
			}
			a.Base = m.Name
			if err := adapter.Replace(b.adapter(k, top, false), a); err != nil {
				return err
			}
			if top > 0 {
				continue
			}
			if err := adapter.WriteGGUF(b.adapter(k, top, true), a, m.Config.Architecture, m.Config.Heads, m.Config.KVHeads); err != nil {
				return err
			}
		}
	}
	return nil
}

// generatedAdapter is of the top layers, 0 for all.
func generatedAdapter(c backbone.Config, top int, seed uint64) (*adapter.Adapter, error) {
	shapes := map[adapter.Key][2]int{}
	for n := range c.Layers {
		shapes[adapter.Key{Layer: n, Module: "q_proj"}] = [2]int{c.Heads * c.HeadDim, c.Hidden}
		shapes[adapter.Key{Layer: n, Module: "v_proj"}] = [2]int{c.KVHeads * c.HeadDim, c.Hidden}
	}
	a, err := adapter.New(adapter.Config{TopLayers: top}, shapes, seed)
	if err != nil {
		return nil, err
	}
	other, err := adapter.New(adapter.Config{TopLayers: top}, shapes, seed+10)
	if err != nil {
		return nil, err
	}
	for k, f := range a.Layers { // a new adapter's B is zero: it gets the other's A, a third as large
		noise := other.Layers[k].A.Data
		for i := range f.B.Data {
			f.B.Data[i] = noise[i%len(noise)] / 3
		}
	}
	return a, nil
}

// convert writes the model as safetensors once. Where that fails, the peers that need it fail too, and say why.
func (b *bench) convert(ctx context.Context) {
	if _, err := os.Stat(b.torchModel()); err == nil {
		return
	}
	cmd := exec.CommandContext(ctx, b.options.python, filepath.Join(b.options.peers, "convert.py"), b.model, b.torchModel())
	cmd.Stderr = b.log
	if err := cmd.Run(); err != nil {
		b.say("the model could not be written for PyTorch: %v", err)
	}
}
