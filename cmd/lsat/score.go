package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"lsat/adapter"
	"lsat/engine"
	"lsat/metric"
	"lsat/prompt"
)

func init() { commands = append(commands, newScoreCommand) }

// scoreOptions are the flags of lsat score.
type scoreOptions struct {
	backbone, adapter, short, prompts, device, dtype, quantize, memory string
	weight                                                             float64
	rowTokens, batchTokens, devices                                    int
	json, offline                                                      bool
}

func newScoreCommand() *cobra.Command {
	var o scoreOptions
	cmd := &cobra.Command{
		Use:   "score --backbone NAME-OR-PATH --prompts FILE.jsonl",
		Short: "Score plain prompts: the log-odds of one answer word against another",
		Long: `Score plain prompts, one JSON object a line:

  {"prompt": "... Answer:", "yes": " Yes", "no": " No"}

The answer is logit(yes) - logit(no) after the prompt, of the first token of each word as it continues the prompt. The prompt
is tokenized as Hugging Face's tokenizer does it, with its beginning-of-sequence token where the model has one.

With a second adapter, --short, the probability is LSAT-EN's: weight times that of --adapter and the rest that of --short. What lies
below the lowest layer that either of them adapts is computed once.`,
		Example: `  lsat score --backbone smollm2-135m-instruct --prompts prompts.jsonl --json
  lsat score --backbone path/to/model --adapter path/to/peft --dtype f32 --prompts - --json < prompts.jsonl
  lsat score --backbone smollm2-135m-instruct --adapter long --short newest --weight 0.7 --prompts prompts.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.backbone == "" || o.prompts == "" {
				return usageError{errors.New("score needs --backbone and --prompts")}
			}
			if o.short != "" && o.adapter == "" {
				return usageError{errors.New("score with --short needs --adapter, the long-term one")}
			}
			if !(o.weight >= 0 && o.weight <= 1) {
				return usageError{fmt.Errorf("--weight %v: it is between 0 and 1", o.weight)}
			}
			return score(cmd.Context(), o, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.backbone, "backbone", "", "model: a name of the catalogue, hf:org/name, a directory or a .gguf file")
	f.StringVar(&o.adapter, "adapter", "", "PEFT directory of a LoRA adapter (default: the bare backbone)")
	f.StringVar(&o.short, "short", "", "PEFT directory of a second, short-term adapter, to be merged with the first one's probability")
	f.Float64Var(&o.weight, "weight", 0.5, "weight of --adapter beside --short, 0 to 1")
	f.StringVar(&o.prompts, "prompts", "", "file of prompts, one JSON object a line; - reads standard input")
	f.StringVar(&o.device, "device", "auto", "auto, xla:cuda, xla:cpu or go")
	f.IntVar(&o.devices, "devices", 0, "devices of that kind that work side by side (default 1)")
	f.StringVar(&o.dtype, "dtype", "auto", "f32, bf16 or auto (bf16 where the device has instructions for it)")
	f.StringVar(&o.quantize, "quantize", engine.QuantizeNone, "int8 multiplies the frozen weights in 8-bit integers: faster on the CPU, in less memory, log-odds a little apart")
	f.StringVar(&o.memory, "memory", "auto", "memory that may be taken: a size such as 16GB, off for no check, or auto (all there is)")
	f.IntVar(&o.rowTokens, "row-tokens", 0, "tokens of a packed row (default 512)")
	f.IntVar(&o.batchTokens, "batch-tokens", 0, "tokens of a batch; fewer take less memory (default 1024, on a GPU up to 8192)")
	f.BoolVar(&o.json, "json", false, "print JSON lines")
	f.BoolVar(&o.offline, "offline", false, "use only what is in the cache")
	return cmd
}

// scoreLine is a line of the prompts file, scored.
type scoreLine struct {
	sequence prompt.Sequence
	answers  prompt.Answers
	logOdds  float64
}

// scored is a line of the output.
type scored struct {
	Line        int     `json:"line"`
	LogOdds     float64 `json:"log_odds"`
	Probability float64 `json:"probability"`
	Tokens      int     `json:"tokens"`
	YesToken    int32   `json:"yes_token"`
	NoToken     int32   `json:"no_token"`
}

func score(ctx context.Context, o scoreOptions, stdin io.Reader, stdout, stderr io.Writer) error {
	in := stdin
	if o.prompts != "-" {
		f, err := os.Open(o.prompts)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // only read
		in = f
	}
	var adapters []*adapter.Adapter
	for _, dir := range []string{o.adapter, o.short} {
		if dir == "" {
			continue
		}
		a, err := adapter.Read(dir)
		if err != nil {
			return err
		}
		adapters = append(adapters, a)
	}
	if len(adapters) == 0 {
		adapters = append(adapters, nil) // the bare backbone
	}
	m, err := openModel(ctx, modelOptions{name: o.backbone, device: o.device, devices: o.devices, dtype: o.dtype, quantize: o.quantize, offline: o.offline, memory: o.memory,
		rowTokens: o.rowTokens, batchTokens: o.batchTokens}, stderr)
	if err != nil {
		return err
	}
	defer m.close()
	lines, err := readPrompts(o.prompts, in, m.model.Tokenizer)
	if err != nil {
		return err
	}
	if err := scoreLines(ctx, m.engine, adapters, o.weight, lines); err != nil {
		return err
	}
	return printScores(stdout, lines, o.json)
}

const longestLine = 16 << 20

func readPrompts(name string, in io.Reader, tok prompt.Tokenizer) ([]scoreLine, error) {
	if tok == nil {
		return nil, errors.New("the model has no tokenizer")
	}
	var lines []scoreLine
	sc := bufio.NewScanner(in)
	sc.Buffer(make([]byte, 1<<16), longestLine)
	n := 0
	for sc.Scan() {
		n++
		if len(bytes.TrimSpace(sc.Bytes())) == 0 {
			continue
		}
		var p struct{ Prompt, Yes, No *string }
		if err := json.Unmarshal(sc.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if p.Prompt == nil || p.Yes == nil || p.No == nil {
			return nil, fmt.Errorf(`%s:%d: needs "prompt", "yes" and "no"`, name, n)
		}
		seq, ans, err := prompt.Line(tok, *p.Prompt, *p.Yes, *p.No)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		seq.Targets[0].Sample = int32(n)
		lines = append(lines, scoreLine{sequence: seq, answers: ans})
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, n+1, err)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s: no prompts", name)
	}
	return lines, nil
}

// scoreLines scores the lines in place, with one adapter or with two merged; those that ask for the same two words go together.
func scoreLines(ctx context.Context, e *engine.Engine, adapters []*adapter.Adapter, weight float64, lines []scoreLine) error {
	groups := map[prompt.Answers][]int{}
	var order []prompt.Answers
	for i, l := range lines {
		if _, ok := groups[l.answers]; !ok {
			order = append(order, l.answers)
		}
		groups[l.answers] = append(groups[l.answers], i)
	}
	for _, ans := range order {
		var seqs []prompt.Sequence
		for _, i := range groups[ans] {
			seqs = append(seqs, lines[i].sequence)
		}
		each, err := e.ScoreEach(ctx, seqs, ans, adapters, nil)
		if err != nil {
			return err
		}
		odds := slices.Concat(each[0]...) // a prompt has one target
		if len(each) > 1 {
			if odds, err = metric.MixProbabilities(weight, odds, slices.Concat(each[1]...)); err != nil {
				return err
			}
		}
		for k, i := range groups[ans] {
			lines[i].logOdds = odds[k]
		}
	}
	return nil
}

func printScores(w io.Writer, lines []scoreLine, asJSON bool) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	for _, l := range lines {
		s := scored{Line: int(l.sequence.Targets[0].Sample), LogOdds: l.logOdds, Probability: metric.Probability(l.logOdds),
			Tokens: len(l.sequence.Tokens), YesToken: l.answers.Yes, NoToken: l.answers.No}
		var err error
		if asJSON {
			err = enc.Encode(s)
		} else {
			_, err = fmt.Fprintf(out, "line %d: log-odds %+.4f, probability %.4f\n", s.Line, s.LogOdds, s.Probability)
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}
