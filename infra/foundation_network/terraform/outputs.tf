# Values for people and scripts. file_processing finds the network by its tags instead, so the stacks share no state.

output "name_prefix" {
  description = "foundation_name_prefix of the stack file_processing."
  value       = var.name_prefix
}

output "region" {
  description = "Region of the network."
  value       = var.aws_region
}

output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Subnets of nodes, pods and databases."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "public_subnet_ids" {
  description = "Subnets of NAT gateways and public load balancers."
  value       = [for subnet in aws_subnet.public : subnet.id]
}

output "nat_public_ips" {
  description = "Public addresses of the platform's outgoing connections, for allow-lists of others."
  value       = [for address in aws_eip.nat : address.public_ip]
}
