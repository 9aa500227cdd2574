// Package recommender holds the five conventional recommenders that the paper compares with: MF, DeepMusic, GRU4Rec, Caser and SASRec. They
// see what a strategy's model sees, samples with the user's last items and their labels, and learn by gradient descent in GoMLX on any backend,
// from nothing (full retraining) or further from an earlier state (fine-tuning).
package recommender

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"

	"lsat/period"
)

// Errors that callers branch on.
var (
	// ErrUnknown means that there is no recommender of that name.
	ErrUnknown = errors.New("unknown recommender")
	// ErrNoSamples says that there is nothing to learn from.
	ErrNoSamples = errors.New("no samples to learn from")
	// ErrNotFinite says that training ended with numbers that are infinite or none.
	ErrNotFinite = errors.New("training diverged")
	// ErrOtherData means that a model was asked about a data set that is not the one it learnt from, grown or not.
	ErrOtherData = errors.New("another data set")
)

// architecture is the form of a model: what it learns, and how it scores with that. A new one is one more file and a line in architectures.
type architecture interface {
	// parameters lists what is learnt.
	parameters(s sizes) []parameter
	// score is [batch]: the label's prediction, or its log-odds where the loss is LogLoss.
	score(v *view) *graph.Node
}

// architectures are those that there are, by name.
var architectures = map[string]architecture{"mf": mf{}, "deepmusic": deepMusic{}, "gru4rec": gru4Rec{}, "caser": caser{}, "sasrec": sasRec{}}

// titles are the recommenders' names for people.
var titles = map[string]string{"mf": "MF", "deepmusic": "DeepMusic", "gru4rec": "GRU4Rec", "caser": "Caser", "sasrec": "SASRec"}

// Title is a recommender's name for people, the name itself for one that there is not.
func Title(name string) string {
	if t, ok := titles[name]; ok {
		return t
	}
	return name
}

// Names lists the recommenders.
func Names() []string { return []string{"mf", "deepmusic", "gru4rec", "caser", "sasrec"} }

// Recommender learns models of one architecture on one backend. It keeps its compiled programs, so a study has one for all periods. It is safe for
// concurrent use.
type Recommender struct {
	name    string
	arch    architecture
	options Options
	backend compute.Backend
	mu      sync.Mutex
	progs   map[sizes]*programs
}

// New returns a recommender by name; see Names. Errors: ErrUnknown, and ErrOptions for options that make no sense.
func New(name string, backend compute.Backend, opts Options) (*Recommender, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("%w %q: there are %v", ErrUnknown, name, Names())
	}
	if backend == nil {
		return nil, fmt.Errorf("%w: no backend to compute on", ErrOptions)
	}
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Recommender{name: name, arch: architectures[name], options: opts, backend: backend, progs: map[sizes]*programs{}}, nil
}

// Name is the architecture's name.
func (r *Recommender) Name() string { return r.name }

// Identity says all that decides a model besides its samples: architecture, options and backend.
func (r *Recommender) Identity() string {
	return fmt.Sprintf("%s %+v on %s", r.name, r.options, r.backend.Name())
}

// check says whether samples can be learnt from or scored.
func check(stream *period.Stream, samples []int) error {
	if stream == nil || stream.Set == nil {
		return errors.New("recommender: no stream")
	}
	for _, i := range samples {
		if i < 0 || i >= len(stream.Samples) {
			return fmt.Errorf("recommender: sample %d asked for, but the stream has samples 0 to %d", i, len(stream.Samples)-1)
		}
	}
	return nil
}
