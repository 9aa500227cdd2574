package recommender

import (
	"errors"
	"fmt"
	"math"
)

// Loss is what training makes small.
type Loss string

const (
	// MSE is the mean squared error of the predicted label, the paper's.
	MSE Loss = "mse"
	// LogLoss is the mean negative log-likelihood of the label.
	LogLoss Loss = "log-loss"
)

// ErrOptions means that options make no sense.
var ErrOptions = errors.New("recommender options")

// Options say how a recommender learns. The zero value of a field means its default: the paper's setting where the paper has one (dimension,
// learning rate, batch, weight decay, loss), else what is usual.
type Options struct {
	// Dim is the length of all embeddings and hidden states. Default 64.
	Dim int
	// LearningRate is Adam's. Default 1e-3.
	LearningRate float64
	// WeightDecay times a parameter is added to its gradient (L2, as Adam in PyTorch has it). Default 1e-5; negative means none.
	WeightDecay float64
	// Batch is the number of samples of a step. Default 256.
	Batch int
	// Epochs is how often training goes through the samples, at most. Default 10.
	Epochs int
	// Patience is after how many epochs without a lower validation loss training stops; the best epoch's state is kept, the initial one
	// among them when a model is updated. Without validation samples all epochs are run and the last state is kept. Default 2; negative means all
	// epochs, of which the best is kept.
	Patience int
	// Dropout is the share of the hidden numbers of GRU4Rec, Caser and SASRec that training leaves out. Default 0.2; negative means none.
	Dropout float64
	// Loss is MSE or LogLoss. Default MSE.
	Loss Loss
	// HideLabels keeps the history's labels from GRU4Rec, Caser and SASRec, which then see items only, as their authors' do. The default, false,
	// shows what a language model is shown.
	HideLabels bool
	// Seed decides the initial state, the order of samples and dropout. Default 1.
	Seed uint64
}

func (o Options) withDefaults() (Options, error) {
	whole := func(v *int, byDefault int) {
		if *v == 0 {
			*v = byDefault
		}
	}
	whole(&o.Dim, 64)
	whole(&o.Batch, 256)
	whole(&o.Epochs, 10)
	whole(&o.Patience, 2)
	number := func(v *float64, byDefault float64) {
		if *v == 0 {
			*v = byDefault
		}
	}
	number(&o.LearningRate, 1e-3)
	number(&o.WeightDecay, 1e-5)
	number(&o.Dropout, .2)
	o.WeightDecay, o.Dropout = max(0, o.WeightDecay), max(0, o.Dropout)
	if o.Loss == "" {
		o.Loss = MSE
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	switch {
	case o.Dim < 1 || o.Dim > 1<<14:
		return o, fmt.Errorf("%w: dimension %d", ErrOptions, o.Dim)
	case o.Batch < 1 || o.Batch > 1<<20:
		return o, fmt.Errorf("%w: batch of %d", ErrOptions, o.Batch)
	case o.Epochs < 1:
		return o, fmt.Errorf("%w: %d epochs", ErrOptions, o.Epochs)
	case !(o.LearningRate > 0) || math.IsInf(o.LearningRate, 0):
		return o, fmt.Errorf("%w: learning rate %v", ErrOptions, o.LearningRate)
	case !(o.WeightDecay >= 0) || math.IsInf(o.WeightDecay, 0):
		return o, fmt.Errorf("%w: weight decay %v", ErrOptions, o.WeightDecay)
	case !(o.Dropout >= 0 && o.Dropout < 1):
		return o, fmt.Errorf("%w: dropout %v is not below 1", ErrOptions, o.Dropout)
	case o.Loss != MSE && o.Loss != LogLoss:
		return o, fmt.Errorf("%w: loss %q is neither %s nor %s", ErrOptions, o.Loss, MSE, LogLoss)
	}
	return o, nil
}
