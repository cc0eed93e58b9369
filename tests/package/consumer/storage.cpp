#include <chainrule/autograd/storage/tensor.hpp>
#include <iostream>

int main() { std::cout << chainrule::Tensor<float>({2, 3}).shape() << "\n"; }
