package backbone

import "errors"

// What can be wrong with a model on disk. Every error of Load has one of these, or an error of the file system, in its chain, and
// names the file and, where it is about one, the tensor.
var (
	// ErrNoModel: the path holds no model in a format that is read.
	ErrNoModel = errors.New("no model found")
	// ErrUnknownArchitecture: the model's family is not one of Architectures.
	ErrUnknownArchitecture = errors.New("unknown architecture")
	// ErrUnsupported: the family is known, but the model asks for something that this package does not do, such as an element type
	// or a kind of rope scaling.
	ErrUnsupported = errors.New("not supported")
	// ErrConfig: the configuration lacks a value, or a value is impossible.
	ErrConfig = errors.New("bad model configuration")
	// ErrMissingTensor: a tensor that the configuration asks for is in none of the files.
	ErrMissingTensor = errors.New("missing tensor")
	// ErrTensorShape: a tensor's shape is not the one that the configuration asks for.
	ErrTensorShape = errors.New("tensor of the wrong shape")
	// ErrTruncated: a file ends before what it announces.
	ErrTruncated = errors.New("truncated file")
	// ErrFormat: a weight file is not what its name says.
	ErrFormat = errors.New("damaged model file")
	// ErrTokenizer: the tokenizer is missing, damaged, or does not fit the model.
	ErrTokenizer = errors.New("tokenizer does not fit")
)
