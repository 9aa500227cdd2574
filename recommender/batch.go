package recommender

import (
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/period"
)

// encoder writes samples as the arguments of a program. It reads the samples' users, items and histories, and nothing else of the stream.
type encoder struct {
	stream     *period.Stream
	content    *content
	sizes      sizes
	batch      int
	hideLabels bool
}

// batchInputs is how many arguments of a program describe samples.
const batchInputs = 7

// inputs are a batch of samples, padded to the batch's size with the first user and item. See view for what they are.
func (e *encoder) inputs(samples []int) []any {
	n, h := e.batch, e.sizes.history
	user, item := make([]int32, n), make([]int32, n)
	history, label, there := make([]int32, n*h), make([]float32, n*h), make([]float32, n*h)
	words, weights := make([]int32, n*bagSize), make([]float32, n*bagSize)
	for k, i := range samples {
		user[k], item[k] = e.stream.User(i), e.stream.Item(i)
		past := e.stream.History(i)
		for at, event := range past {
			at += k*h + h - len(past)
			history[at], there[at] = e.stream.Set.Interactions[event].Item, 1
			switch {
			case e.hideLabels:
			case e.stream.Liked(event):
				label[at] = 1
			default:
				label[at] = -1
			}
		}
		copy(words[k*bagSize:(k+1)*bagSize], e.content.bags[int(item[k])*bagSize:])
		copy(weights[k*bagSize:(k+1)*bagSize], e.content.weights[int(item[k])*bagSize:])
	}
	return []any{
		tensors.FromFlatDataAndDimensions(user, n), tensors.FromFlatDataAndDimensions(item, n),
		tensors.FromFlatDataAndDimensions(history, n, h), tensors.FromFlatDataAndDimensions(label, n, h), tensors.FromFlatDataAndDimensions(there, n, h),
		tensors.FromFlatDataAndDimensions(words, n, bagSize), tensors.FromFlatDataAndDimensions(weights, n, bagSize),
	}
}

// lessons are the labels of a batch, and the weights, 0 for padding.
func (e *encoder) lessons(samples []int) []any {
	labels, weights := make([]float32, e.batch), make([]float32, e.batch)
	for k, i := range samples {
		weights[k] = 1
		if e.stream.Samples[i].Label {
			labels[k] = 1
		}
	}
	return []any{tensors.FromFlatDataAndDimensions(labels, e.batch), tensors.FromFlatDataAndDimensions(weights, e.batch)}
}
