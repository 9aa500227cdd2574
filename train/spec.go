// Package train turns a specification into an adapter: optimizer, schedule, early stopping, and exact resumption.
package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"lsat/adapter"
	"lsat/engine"
	"lsat/prompt"
)

// Hyper are the hyper-parameters of a job. The zero value of a field means its default.
type Hyper struct {
	// LearningRate is AdamW's peak step size. Default 1e-3 (the paper's).
	LearningRate float64 `json:"learning_rate" yaml:"learning_rate" koanf:"learning_rate"`
	// Beta1, Beta2, Epsilon and WeightDecay are AdamW's, as PyTorch defines them. Defaults .9, .999, 1e-8 and 0 (the
	// Transformers trainer's default, which the released code uses).
	Beta1       float64 `json:"beta1" yaml:"beta1" koanf:"beta1"`
	Beta2       float64 `json:"beta2" yaml:"beta2" koanf:"beta2"`
	Epsilon     float64 `json:"epsilon" yaml:"epsilon" koanf:"epsilon"`
	WeightDecay float64 `json:"weight_decay" yaml:"weight_decay" koanf:"weight_decay"`
	// Clip bounds the gradient's global norm. Default 1; negative means no bound.
	Clip float64 `json:"clip" yaml:"clip" koanf:"clip"`
	// Batch is the number of targets in an optimizer step. Default 128. Steps are made of whole packed rows, so a step has about as many.
	Batch int `json:"batch" yaml:"batch" koanf:"batch"`
	// Order is that of the samples in an epoch: "shuffled", or "prefix", which keeps those together whose prompts begin alike, and shuffles these groups.
	// What they begin with is then computed once, which the stream template does by itself and tallrec, a prompt for each sample, does not. Default "shuffled".
	Order string `json:"order,omitempty" yaml:"order,omitempty" koanf:"order"`
	// Epochs is how often the training part is passed over. Default 1.
	Epochs int `json:"epochs" yaml:"epochs" koanf:"epochs"`
	// Warmup is the number of steps of linear warm-up. Default 0. After it the rate decays linearly to 0.
	Warmup int `json:"warmup" yaml:"warmup" koanf:"warmup"`
	// EvalEvery is the number of optimizer steps between two looks at the validation part. Default 0: at the end of every epoch.
	EvalEvery int `json:"eval_every" yaml:"eval_every" koanf:"eval_every"`
	// Patience is how many looks without a better validation AUC end the job. Default 10.
	Patience int `json:"patience" yaml:"patience" koanf:"patience"`
}

// What Hyper.Order takes.
const (
	OrderShuffled = "shuffled"
	OrderPrefix   = "prefix"
)

// Orders lists what Hyper.Order takes.
func Orders() []string { return []string{OrderShuffled, OrderPrefix} }

// Slice names the samples of a job by the hash of their content.
type Slice struct {
	// Name is for people, e.g. "D0-D9 train".
	Name string `json:"name"`
	// Hash is period.Stream's hash over the samples.
	Hash string `json:"hash"`
	// Samples is their number.
	Samples int `json:"samples"`
}

// Spec says everything that decides the adapter of a job. The same spec gives the same adapter.
type Spec struct {
	Backbone string `json:"backbone"`
	Numerics string `json:"numerics"`
	Template string `json:"template"`
	Train    Slice  `json:"train"`
	Valid    Slice  `json:"valid"`
	// Init is the key of the job whose adapter this one starts from; empty for a fresh one.
	Init string `json:"init,omitempty"`
	// Prior is the SHA-256 of the offsets of all training and validation targets; empty where there are none.
	Prior   string         `json:"prior,omitempty"`
	Adapter adapter.Config `json:"adapter"`
	Hyper   Hyper          `json:"hyper"`
	Seed    uint64         `json:"seed"`
}

// Key is the spec's content address, under which its adapter is stored: the SHA-256, in hex, of its canonical JSON.
func (s Spec) Key() string {
	b, err := json.Marshal(s)
	if err != nil { // only numbers that JSON lacks (NaN, infinities) get here, and those are refused by validation
		b = []byte(err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Data are the sequences of a job, written when a step needs them, so that a job takes memory for a few of them at a time. A nil
// Valid means no validation part.
type Data struct {
	Train, Valid prompt.Source
	Answers      prompt.Answers
}

// Event reports a job's progress.
type Event struct {
	// Step of Steps optimizer steps are done; Targets of TotalTargets samples seen.
	Step, Steps           int
	Targets, TotalTargets int
	// Loss is the mean loss of the newest step.
	Loss float64
	// Evaluated says that ValidAUC is new.
	Evaluated bool
	ValidAUC  float64
}

// Result is a finished job.
type Result struct {
	Spec    Spec             `json:"spec"`
	Adapter *adapter.Adapter `json:"-"`
	// ValidAUC is the kept adapter's AUC on the validation part, InitAUC the initial adapter's there.
	ValidAUC float64 `json:"valid_auc"`
	InitAUC  float64 `json:"init_auc"`
	// BestStep is the step at which the kept adapter stood; Steps is how many were taken.
	BestStep int       `json:"best_step"`
	Steps    int       `json:"steps"`
	Losses   []float64 `json:"losses"`
	Seconds  float64   `json:"seconds"`
}

// Run trains the adapter that the spec asks for and stores it in dir: a PEFT directory "adapter" and "job.json". A finished
// job is read back, an interrupted one goes on from its newest checkpoint and ends with the same bytes. init is the adapter that
// the job starts from, nil for a fresh one. events may be nil.
func Run(ctx context.Context, spec Spec, runner engine.Runner, data Data, init *adapter.Adapter, dir string, events func(Event)) (*Result, error) {
	return run(ctx, spec, runner, data, init, dir, events)
}
